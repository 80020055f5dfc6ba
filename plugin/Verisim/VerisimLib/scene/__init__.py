"""The only place that touches the scene (MRML); everything here runs on the main thread."""
