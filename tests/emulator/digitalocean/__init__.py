"""The tests of the DigitalOcean part of the world."""
