"""What may happen to a server, done to it on purpose: one module a fault."""
