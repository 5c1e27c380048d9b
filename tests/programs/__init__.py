"""Random programs of writes, waits, cancellations, crashes and restarts, with random faults."""
