"""The emulator's tests, folder for folder as the package."""
