"""Every operation of the three providers under every fault, with the expected outcomes as data."""
