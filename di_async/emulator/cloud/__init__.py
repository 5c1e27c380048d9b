"""What the emulated vendors share: simulated time, faults, rate limits, stores, HTTP values."""
