"""The tests of `di_async.core.waiting`."""
