"""The commands, by topic. Rules of this folder: ask the library, show the answer."""
