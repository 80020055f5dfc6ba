"""Jobs of this server: who may ask for what, and what is told about it."""
