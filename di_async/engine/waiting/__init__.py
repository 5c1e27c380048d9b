"""Waiting: the poller, its resources, and the handles that callers await."""
