"""Tests of the promises of docs/waiting.md on every cloud."""
