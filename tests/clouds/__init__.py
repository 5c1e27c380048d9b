"""The promises of docs/waiting.md, checked on every cloud."""
