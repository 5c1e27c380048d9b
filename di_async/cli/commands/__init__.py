"""The commands, by topic. Each calls the library and prints the result."""
