"""What the benchmarks beside nnU-Net v2 share."""
