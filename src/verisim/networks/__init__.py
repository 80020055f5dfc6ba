"""Networks know tensors, never volumes."""
