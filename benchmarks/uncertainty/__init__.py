"""How good segmentations are, and whether their doubt is worth reading."""
