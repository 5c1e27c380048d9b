"""How late a settle is noticed, and what noticing it costs: `python -m benchmarks.settle`."""
