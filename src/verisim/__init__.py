"""Segment, synthesize and audit medical volumes."""

__version__ = "0.1.0"
