"""Pure decisions: values in, decisions out. No async, no clock, no network."""
