"""The app's adapters between MONAI Label and the library."""
