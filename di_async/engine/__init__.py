"""The async half that drives `core`: thin, and the only place that sleeps or connects."""
