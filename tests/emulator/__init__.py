"""Tests of the emulator; folders mirror the package."""
