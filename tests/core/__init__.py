"""Tests of `di_async.core`."""
