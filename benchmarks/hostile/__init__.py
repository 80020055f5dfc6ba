"""Damaged uploads: specimens, what is done to them, where they are sent, what must hold."""
