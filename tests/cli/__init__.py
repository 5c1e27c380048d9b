"""Tests of the command line; most run against the emulator over sockets."""
