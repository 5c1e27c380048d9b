"""Arbitrary answers, requests, specs and tokens: a value or a named error, in bounded time."""
