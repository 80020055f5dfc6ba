"""Several label maps of one volume become one."""

from __future__ import annotations

from collections.abc import Sequence

from verisim.volume import LabelMap


def staple(label_maps: Sequence[LabelMap], undecided: LabelMap) -> LabelMap:
    """See `verisim.fusion.raters`; SimpleITK is loaded only for those who ask for it."""
    from verisim.fusion import raters

    return raters.staple(label_maps, undecided)
