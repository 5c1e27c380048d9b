"""Tests of what the emulated vendors share."""
