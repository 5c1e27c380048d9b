"""What the emulated vendors share: simulated time, faults, rate limits, stores, HTTP values.

Nothing in this folder knows a vendor, opens a socket or reads a clock.
"""
