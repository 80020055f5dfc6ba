"""What `scene.py` is made of; nobody else may import it."""
