"""Pictures as data sets of slices, for the benchmark that compares networks for them."""
