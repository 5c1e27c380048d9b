"""Mutation testing with cosmic-ray: `python -m tests.mutation`."""
