"""The async half: what drives the decisions."""
