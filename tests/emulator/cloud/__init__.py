"""The pure world's tests."""
