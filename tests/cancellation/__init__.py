"""CancelledError at every await of every public coroutine."""
