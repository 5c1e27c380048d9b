"""Many at once: waits of a whole fleet, and what there is in it."""
