"""Models of nnU-Net v2, imported and exported."""
