"""Whether synthetic cases copy training patients, said with calibrated statistics."""
