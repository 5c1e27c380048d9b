"""Tests of the ten promises in docs/waiting.md, one module each."""
