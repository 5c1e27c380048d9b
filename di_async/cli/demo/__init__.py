"""`di-async demo`: the life cycle of a fleet against the embedded emulator.

fleet: the instances. scenario: the steps at DigitalOcean. other_clouds: the steps at Exoscale and
Gcore. view: the display. bulk: `demo --fleet N`. run: the entry point and the summary.
"""
