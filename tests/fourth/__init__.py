"""A fourth, imaginary cloud: adding a provider changes no other file of the package."""
