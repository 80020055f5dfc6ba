"""Long work as jobs: records that survive, fair turns, progress, cancelling, results as files."""
