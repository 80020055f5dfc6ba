"""Planted copies: training cases, changed as a generator might change what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from verisim.audit.changes import (
    Change,
    Sample,
    bias_field,
    blend,
    blur,
    curve,
    cut_out,
    elastic,
    flip,
    gamma,
    half_resolution,
    inversion,
    mask_only,
    noise,
    patch,
    rotation,
    shift,
    turn,
    unchanged,
    zoom,
)
from verisim.audit.collection import Collection
from verisim.audit.further_changes import (
    channel_inverted,
    channels_exchanged,
    compressed,
    equalized,
    erased,
    half,
    one_channel,
    posterized,
    rolled,
    sharpened,
    speckle,
    stretched,
    windowed,
)
from verisim.errors import BadInput


@dataclass(frozen=True)
class Kind:
    """One way in which a copy hides.

    Args:
        name: For tables.
        changes: One after the other.
        masked: Whether it needs label maps.
        several: Whether it needs several channels.
    """

    name: str
    changes: tuple[Change, ...] = field(repr=False)  # functions have no lasting name
    masked: bool = False
    several: bool = False

    def __call__(self, own: Sample, other: Sample, draw: np.random.Generator) -> Sample:
        """A training case, changed.

        Args:
            own: The training case.
            other: A case of another patient, who is not in the training set.
            draw: Where chance comes from.
        """
        for change in self.changes:
            own = change(own, other, draw)
        return own


KINDS: tuple[Kind, ...] = (
    Kind("copy", (unchanged,)),
    Kind("noise 0.3", (noise(0.3),)),
    Kind("blur 1", (blur(1.0),)),
    Kind("gamma 1.5", (gamma(1.5),)),
    Kind("inversion", (inversion,)),
    Kind("bias field", (bias_field,)),
    Kind("flip", (flip,)),
    Kind("quarter turn", (turn,)),
    Kind("shift 2", (shift(2),)),
    Kind("shift 6", (shift(6),)),
    Kind("rotation 5°", (rotation(5.0),)),
    Kind("rotation 15°", (rotation(15.0),)),
    Kind("zoom 1.08", (zoom(1.08),)),
    Kind("elastic", (elastic,)),
    Kind("half resolution", (half_resolution,)),
    Kind("blend 70/30", (blend(0.7),)),
    Kind("quarter patch", (patch(0),)),
    Kind("mask only", (mask_only,), masked=True),
)
"""Those that every audit plants."""

FURTHER_KINDS: tuple[Kind, ...] = (
    Kind("flip, shift, blur", (flip, shift(3), blur(1.0))),
    Kind("zoom 0.92", (zoom(0.92),)),
    Kind("zoom 1.2", (zoom(1.2),)),
    Kind("bent contrast", (curve,)),
    Kind("noise 0.6", (noise(0.6),)),
    Kind("cut-out", (cut_out,)),
    Kind("blend 50/50", (blend(0.5),)),
    Kind("patch elsewhere", (patch(6),)),
    Kind("turn, gamma, noise", (turn, gamma(1.5), noise(0.3))),
    Kind("rotation 10°, inversion", (rotation(10.0), inversion)),
    Kind("rotation 25°", (rotation(25.0),)),
    Kind("shift 6, zoom, noise", (shift(6), zoom(1.08), noise(0.3))),
    Kind("blur 2", (blur(2.0),)),
    Kind("speckle 0.3", (speckle(0.3),)),
    Kind("sharpened", (sharpened,)),
    Kind("compressed", (compressed(0.2),)),
    Kind("8 greys", (posterized,)),
    Kind("narrow window", (windowed,)),
    Kind("equalized", (equalized,)),
    Kind("erased in places", (erased,)),
    Kind("half of it", (half,)),
    Kind("slices rolled", (rolled,)),
    Kind("stretched 1.15", (stretched(1.15),)),
    Kind("zoom 1.4", (zoom(1.4),)),
    Kind("flip, noise", (flip, noise(0.3))),
    Kind("bias field, shift", (bias_field, shift(4))),
    Kind("elastic, noise", (elastic, noise(0.2))),
    Kind("elastic, flip", (elastic, flip)),
    Kind("turn, compressed", (turn, compressed(0.1))),
    Kind("shift, blend", (shift(4), blend(0.7))),
    Kind("half resolution, rotation", (half_resolution, rotation(8.0))),
    Kind("channels exchanged", (channels_exchanged,), several=True),
    Kind("one channel inverted", (channel_inverted,), several=True),
    Kind("one channel only", (one_channel,), several=True),
    Kind("rotation 35°", (rotation(35.0),)),
    Kind("zoom 0.7", (zoom(0.7),)),
    Kind("zoom 1.5", (zoom(1.5),)),
    Kind("rotation 25°, zoom 1.25", (rotation(25.0), zoom(1.25))),
    Kind("flip, rotation 25°, noise", (flip, rotation(25.0), noise(0.3))),
    Kind("turn, rotation 25°", (turn, rotation(25.0))),
    Kind("zoom 1.4, inversion", (zoom(1.4), inversion)),
    Kind("mask only, shifted", (shift(3), mask_only), masked=True),
    Kind("mask only, flipped", (flip, mask_only), masked=True),
)
"""Others and combinations: no measure was made for them; a benchmark tries them."""


@dataclass(frozen=True, eq=False)
class Planted:
    """Planted copies of one kind.

    Args:
        kind: Which.
        cases: Audited like synthetic cases.
        sources: Row of the training case that each copies, (N,).
    """

    kind: Kind
    cases: Collection
    sources: npt.NDArray[np.intp]


def planted(
    kind: Kind, training: Collection, others: Collection, count: int, seed: int = 0
) -> Planted:
    """Copies of training cases, drawn without repetition as far as there are enough.

    Args:
        kind: How they are changed.
        training: Copied from.
        others: Of patients who are not in the training set: blended in, pasted into.
        count: How many.
        seed: Same seed, same copies.

    Raises:
        BadInput: The kind needs label maps, and there are none.
    """
    if kind.masked and (training.masks is None or others.masks is None):
        raise BadInput(
            f"Copies of the kind {kind.name!r} need label maps.", "Leave this kind out."
        )
    draw = np.random.default_rng([seed, *kind.name.encode()])
    sources = _drawn(_useful(kind, training), count, draw)
    made = []
    for source in sources:
        likely = _same_stratum(others, training.strata[source])
        other = _sample(others, int(draw.choice(likely)))
        made.append(kind(_sample(training, int(source)), other, draw))
    return Planted(kind, _collection(kind, made, training, sources), sources)


def _useful(kind: Kind, training: Collection) -> npt.NDArray[np.intp]:
    """Rows that can be copied so: an empty mask is nobody's."""
    if not kind.masked or training.masks is None:
        return np.arange(len(training))
    filled = np.array([bool(mask.any()) for mask in training.masks])
    if not filled.any():
        raise BadInput("All label maps of the training cases are empty.", "Leave masks out.")
    return np.flatnonzero(filled)


def _drawn(
    rows: npt.NDArray[np.intp], count: int, draw: np.random.Generator
) -> npt.NDArray[np.intp]:
    rounds = -(-count // len(rows))
    drawn: npt.NDArray[np.intp] = np.concatenate([draw.permutation(rows) for _ in range(rounds)])
    return drawn[:count]


def _same_stratum(others: Collection, stratum: str) -> Sequence[int]:
    same = [k for k, own in enumerate(others.strata) if own == stratum]
    return same or range(len(others))


def _sample(collection: Collection, row: int) -> Sample:
    mask = None if collection.masks is None else np.asarray(collection.masks[row])
    return Sample(np.asarray(collection.images[row], dtype=np.float32), mask)


def _collection(
    kind: Kind, made: Sequence[Sample], training: Collection, sources: npt.NDArray[np.intp]
) -> Collection:
    names = [f"{training.names[source]}, {kind.name}" for source in sources]
    masks = [sample.mask for sample in made if sample.mask is not None]
    return Collection(
        names=tuple(names),
        patients=tuple(training.patients[source] for source in sources),
        strata=tuple(training.strata[source] for source in sources),
        digests=tuple("" for _ in sources),
        images=np.stack([sample.image for sample in made]),
        masks=np.stack(masks) if len(masks) == len(made) else None,
    )


def kinds_for(training: Collection, kinds: Sequence[Kind] = KINDS) -> tuple[Kind, ...]:
    """Those kinds that such cases can be changed by."""
    masked = training.masks is not None and bool(np.any(training.masks))
    several = training.images.shape[1] > 1
    return tuple(
        kind for kind in kinds if (masked or not kind.masked) and (several or not kind.several)
    )
