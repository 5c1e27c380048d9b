"""The promises of waiting (design.md 4), held against every cloud alike."""
