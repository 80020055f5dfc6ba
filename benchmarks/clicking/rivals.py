"""MONAI Label's scribbles, given the same clicks, each drawn as a small ball."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from monailabel.scribbles.transforms import (
    ApplyGraphCutOptimisationd,
    MakeISegUnaryd,
    MakeLikelihoodFromScribblesHistogramd,
)

from verisim.refinement import Click
from verisim.segmentation import Segmentation
from verisim.volume import Array, LabelMap, Volume

BACKGROUND, FOREGROUND = 2, 3
"""Values of its scribbles."""


@dataclass(frozen=True)
class Scribbles:
    """Its graph cut, one label after the other, since it knows foreground and background alone.

    Args:
        radius_mm: Of the ball of a click; 3.5 mm was worse.
        believes: Whether its unary term starts from the model's probabilities, as its transforms
            allow, or from a histogram of the scribbles, as its ready-made task does.
        lamda: Weight of the image, as its task calls it; the best for ten clicks on eight training
            volumes, among 0.2, 1 (its default) and 5.
        sigma: Of differences in the image, whose intensities go from 0 to 1; the best of 0.05, 0.1
            (its default) and 0.2.
    """

    radius_mm: float = 2.0
    believes: bool = True
    lamda: float = 5.0
    sigma: float = 0.05

    def __call__(self, volume: Volume, start: Segmentation, clicks: Sequence[Click]) -> LabelMap:
        """The label map after all clicks; where two labels are claimed, the likelier has it."""
        image = _scaled(volume.array)
        labels = start.label_map.labels
        cuts, shares = [], []
        for name in labels:
            share = start.maps.probability[name].values
            cuts.append(self._cut(image, share, self._drawn(start.label_map, clicks, name)))
            shares.append(np.where(cuts[-1], share + 1e-6, 0))
        winner = np.argmax(shares, axis=0)
        values = np.array(list(labels.values()))
        array = np.where(np.any(cuts, axis=0), values[winner], 0)
        return start.label_map.new(array.astype(start.label_map.array.dtype))

    def _cut(self, image: Array, share: Array, drawn: Array) -> Array:
        data = {"image": image[None], "label": drawn[None].astype(np.float32)}
        keys = {"scribbles_bg_label": BACKGROUND, "scribbles_fg_label": FOREGROUND}
        if self.believes:
            data["prob"] = np.stack([1 - share, share]).astype(np.float32)
        else:
            histogram = MakeLikelihoodFromScribblesHistogramd("image", "label", **keys)
            data = histogram(data)
        unary = MakeISegUnaryd("image", "prob", "label", **keys)
        cut = ApplyGraphCutOptimisationd(
            "unary", "image", post_proc_label="pred", lamda=self.lamda, sigma=self.sigma
        )
        with _silence():
            found: Array = cut(unary(data))["pred"].squeeze() > 0.5
        return found

    def _drawn(self, like: LabelMap, clicks: Sequence[Click], name: str) -> Array:
        drawn = np.zeros(like.spatial_shape, np.uint8)
        index = np.indices(drawn.shape).reshape(3, -1)
        places = (like.affine[:3, :3] @ index + like.affine[:3, 3:]).T
        for click in clicks:
            if click.label != name and not click.belongs:
                continue  # says nothing of this label
            near = np.linalg.norm(places - click.position_mm, axis=1) <= self.radius_mm
            says = click.label == name and click.belongs
            drawn[near.reshape(drawn.shape)] = FOREGROUND if says else BACKGROUND
        return drawn


@contextmanager
def _silence() -> Iterator[None]:
    """numpymaxflow prints the same line at every cut."""
    kept = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)
            os.close(before)
        os.close(nowhere)


def _scaled(array: Array) -> Array:
    low, high = np.percentile(array, (0.5, 99.5))
    scaled: Array = np.clip((array - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
    return scaled
