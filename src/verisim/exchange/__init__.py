"""Models come from nnU-Net v2 and go there, with the same answer on both sides."""
