"""A module for each of the ten promises in docs/waiting.md."""
