"""Tests of the emulated DigitalOcean."""
