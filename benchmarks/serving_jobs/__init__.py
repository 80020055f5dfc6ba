"""The jobs of real server processes: asked by many, hurt on purpose, watched all the time."""
