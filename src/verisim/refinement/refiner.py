"""A segmentation, corrected around the clicks of a reader, and as it was elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage, special

from verisim.errors import BadGeometry, TooLarge
from verisim.fractions import ONE
from verisim.progress import SILENT, Clock, Part, Progress
from verisim.refinement.clicks import Click, Seed, seeds_of
from verisim.refinement.field import corrected, nearness
from verisim.refinement.groups import Box, Group, groups_of
from verisim.refinement.network import ClickNetwork
from verisim.refinement.walk import walked
from verisim.segmentation import Segmentation, nothing_found
from verisim.volume import Array, LabelMap, Volume

REACH = 0.4
"""A click reaches so far, in radii of the ball that is as large as the label."""

NETWORK_REACH = 0.6
"""The same for clicks that a network answers: it sees more than what looks like one voxel."""

MOST_TOGETHER = 2**24
"""Voxels times classes of a box around clicks that are close to each other: about ten seconds."""

POSSIBLE = 0.1
"""A label counts in a box where it is, or where it is somewhere at least as probable."""

SURENESS = 0.7
"""What the logarithms of the model's probabilities are multiplied by: a model that is wrong was
mostly too sure."""

SMALLEST = 1e-4
"""Probabilities below this are as good as none; their logarithm must stay a number."""

NOWHERE_MM = 20.0
"""How far away a label is that is not in the box."""

SMOOTH = 0.5
"""Voxels, the width of the Gaussian that takes the image's noise away."""


def as_segmentation(label_map: LabelMap) -> Segmentation:
    """A label map that no model made here, as a start for `refine`."""
    return Segmentation(label_map, 0.0, {})


def refine(
    volume: Volume,
    present: Segmentation,
    clicks: Iterable[Click],
    progress: Progress = SILENT,
    network: ClickNetwork | None = None,
) -> Segmentation:
    """Correct a segmentation by clicks.

    All clicks are given each time, so that a click is undone by leaving it out; their order does
    not matter, and without any the segmentation is what it was. Each clicked voxel gets a label
    that its clicks allow. Voxels further away than `FAR` reaches do not change. A click network,
    if there is one, gives the scores of the classes. They are changed by kriging (see
    `corrected`), and without a network then follow the image's edges (`walked`).

    Args:
        volume: The image, (X, Y, Z) or (C, X, Y, Z).
        present: What is corrected; with the probability of each label among its maps these are
            believed, otherwise the distance to its labels' borders.
        clicks: All of them.
        progress: Hears of every box around clicks that are close; may cancel between two.
        network: Of a card with the same labels; None: nothing is known of shapes.

    Returns:
        The label map and its warnings; the certainty is that of the start, and there are no maps.

    Raises:
        BadInput: A click lies outside the volume, names no label, or contradicts another; or the
            network corrects other labels.
        BadGeometry: Image and segmentation do not share their voxels.
        TooLarge: Clicks are spread so densely over so much that they cannot be answered together.
    """
    clock, before = Clock(), present.label_map
    if not volume.shares_grid(before):
        raise BadGeometry(
            "The label map lies on other voxels than the image.",
            "Correct it on the image that it was made of.",
        )
    seeds = seeds_of(clicks, before)
    if network is not None:
        network.check(before, volume.channels)
    if not seeds:
        return present
    array = before.array.copy()
    groups = _groups(seeds, before, network)
    for k, group in enumerate(groups):
        part = Part(progress, k, len(groups), "box")
        array[group.box] = _labelled(volume, present, group, network, part)
    label_map = before.new(array)
    clock.lap("refining")
    kept = [one for one in present.warnings if one not in nothing_found(before)]
    return replace(
        present,
        label_map=label_map,
        seconds=clock.laps,
        warnings=(*kept, *nothing_found(label_map)),
        maps=type(present.maps)(),
        sampled=None,
        expected_dice={},
    )


def _groups(
    seeds: Sequence[Seed], label_map: LabelMap, network: ClickNetwork | None
) -> list[Group]:
    if network is None:
        return groups_of(seeds, label_map, REACH)
    return groups_of(seeds, label_map, NETWORK_REACH, network.widest_mm)


def _labelled(
    volume: Volume,
    present: Segmentation,
    group: Group,
    network: ClickNetwork | None,
    progress: Progress,
) -> Array:
    """The values of the labels in a box."""
    before = present.label_map
    spacing_mm, reach_mm = before.spacing_mm, group.reach_mm
    told = (
        network.probabilities(volume, before, group.seeds, group.box, progress)
        if network
        else None
    )
    classes = _classes(present, group) if told is None else list(range(len(told)))
    seeds = _among(classes, group.inside)
    image = _standardized(volume.array[(..., *group.box)])
    scores = _scores(present, classes, group.box, reach_mm)
    near = nearness(image.shape[1:], seeds, reach_mm, spacing_mm)
    believed = scores if told is None else _learned(told, scores, near)
    new = corrected(believed, image, seeds, reach_mm, spacing_mm)
    probabilities = special.softmax(new, axis=0)
    winner = probabilities.argmax(axis=0)
    if told is None:  # a network has seen the edges itself, and thin parts suffer from a walk
        smooth = walked(probabilities, image, seeds, spacing_mm, progress)
        winner = (near * smooth + (1 - near) * probabilities).argmax(axis=0)
    values = np.array([0, *before.labels.values()])[classes].astype(before.array.dtype)
    # where nothing is decided otherwise, what was cleaned away or painted by hand stays
    decided = (winner != scores.argmax(axis=0)) & (near > 0)
    labelled = np.where(decided, values[winner], before.array[group.box])
    for seed in seeds:
        present_class = np.flatnonzero(values == labelled[seed.voxel])
        if not np.isin(present_class, seed.allowed).any():
            own = probabilities[(slice(None), *seed.voxel)]
            labelled[seed.voxel] = values[seed.best(own.tolist())]
    found: Array = labelled
    return found


def _learned(told: Array, scores: Array, near: Array) -> Array:
    """The scores of a click network near the clicks, and where it looks; else the present ones."""
    share = near * (told.sum(axis=0) > 0.5)
    learned: Array = share * np.log(np.maximum(told, SMALLEST)) + (1 - share) * scores
    return learned


def _classes(present: Segmentation, group: Group) -> list[int]:
    """Those that matter in a box, background first; the others count as background."""
    before, told = present.label_map, present.maps.probability
    named = {k for seed in group.seeds if len(seed.allowed) == 1 for k in seed.allowed}
    there = set(np.unique(before.array[group.box]).tolist())
    for k, (name, value) in enumerate(before.labels.items(), start=1):
        if value in there or (
            name in told and told[name].array[group.box].max() >= POSSIBLE * ONE
        ):
            named.add(k)
    classes = sorted({0, *named})
    voxels = int(np.prod([side.stop - side.start for side in group.box]))
    if voxels * len(classes) > MOST_TOGETHER:
        raise TooLarge(
            f"The {len(group.seeds)} clicks lie so that {voxels} voxels depend on each other.",
            "Correct one region, keep the label map, and go on with that.",
        )
    return classes


def _among(classes: Sequence[int], seeds: Sequence[Seed]) -> tuple[Seed, ...]:
    """Seeds whose classes are places among some classes."""
    place = {k: n for n, k in enumerate(classes)}
    return tuple(
        replace(seed, allowed=tuple(place[k] for k in seed.allowed if k in place))
        for seed in seeds
    )


def _standardized(array: Array) -> Array:
    """The image without its finest noise, (C, X, Y, Z), each channel of mean 0 and deviation 1."""
    channels = array.reshape(-1, *array.shape[-3:]).astype(np.float64)
    smooth = np.stack([ndimage.gaussian_filter(one, SMOOTH) for one in channels])
    mean = smooth.mean(axis=(1, 2, 3), keepdims=True)
    deviation = smooth.std(axis=(1, 2, 3), keepdims=True)
    found: Array = (smooth - mean) / np.where(deviation > 0, deviation, 1)
    return found


def _scores(present: Segmentation, classes: Sequence[int], box: Box, reach_mm: float) -> Array:
    """Of each class in a box, (K, X, Y, Z), background first: higher is likelier."""
    labels, told = list(present.label_map.labels), present.maps.probability
    names = [labels[k - 1] for k in classes[1:]]
    if set(told) != set(labels):
        return _distances(present.label_map, names, box, reach_mm)
    around = np.zeros((0, *present.label_map.array[box].shape), np.float32)
    shares = np.stack([told[name].cropped(box).values for name in names]) if names else around
    shares = np.concatenate([1 - shares.sum(axis=0, keepdims=True), shares])
    scores: Array = SURENESS * np.log(np.maximum(shares, SMALLEST), dtype=np.float64)
    return scores


def _distances(label_map: LabelMap, names: Sequence[str], box: Box, reach_mm: float) -> Array:
    """How deep in each class a voxel lies, in reaches; outside of it, below 0."""
    inside = label_map.array[box]
    found = [inside == label_map.labels[name] for name in names]
    masks = [~np.logical_or.reduce(found, axis=0) if found else inside == 0, *found]
    scores: Array = np.stack([_depth(mask, label_map.spacing_mm) for mask in masks])
    return scores * 3 / reach_mm


def _depth(mask: Array, spacing_mm: Sequence[float]) -> Array:
    if not mask.any():
        return np.full(mask.shape, -NOWHERE_MM)
    if mask.all():
        return np.full(mask.shape, NOWHERE_MM)
    within = ndimage.distance_transform_edt(mask, spacing_mm)
    depth: Array = within - ndimage.distance_transform_edt(~mask, spacing_mm)
    return depth
