"""Tests of `di_async.engine`."""
