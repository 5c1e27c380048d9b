"""The pure half: values in, decisions out."""
