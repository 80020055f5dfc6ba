"""What a person who runs the server sees of it: metrics, logs, how it ends."""
