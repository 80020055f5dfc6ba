"""What is wrong with the real cases, read off the scores that an audit needs anyway."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from verisim.audit.collection import Collection
from verisim.audit.findings import Duplicate, Hygiene
from verisim.audit.seen import Seen

TELLING = "texture"
"""The measure that tells the same image, changed, from another patient's."""

LEAST = 0.75
"""Texture that agrees so well is the same image, changed: of 123 hippocampi and of 164 slices of
other patients the best agreed to 0.6."""


def hygiene_of(near: Seen, held_out: Seen, training: Collection) -> Hygiene:
    """Training cases that are the same under names of different patients, and held-out ones that
    were trained on.

    Args:
        near: Training cases, each beside those of other patients.
        held_out: Held-out cases beside all training cases.
        training: What both were compared with.
    """
    return Hygiene(_clusters(duplicates_of(near, training)), duplicates_of(held_out, training))


def duplicates_of(seen: Seen, training: Collection) -> tuple[Duplicate, ...]:
    """Cases that look like a training case, or are the same file."""
    files = {digest: row for row, digest in enumerate(training.digests) if digest}
    found = []
    for row, (name, digest) in enumerate(zip(seen.cases.names, seen.cases.digests, strict=True)):
        same = files.get(digest)
        if same is not None and training.patients[same] != seen.cases.patients[row]:
            found.append(Duplicate(name, training.names[same], 1.0))
            continue
        for one in seen.matches:
            if one.measure == TELLING and one.scores[row] >= LEAST:
                other = training.names[int(one.nearest[row])]
                found.append(Duplicate(name, other, float(one.scores[row])))
    return tuple(found)


def clean(seen: Seen, names: Sequence[str]) -> Seen:
    """Without the patients of some cases: what was trained on is no yardstick."""
    spoilt = {
        patient
        for name, patient in zip(seen.cases.names, seen.cases.patients, strict=True)
        if name in set(names)
    }
    kept = [k for k, patient in enumerate(seen.cases.patients) if patient not in spoilt]
    return seen.subset(np.array(kept, dtype=np.intp))


def _clusters(pairs: Sequence[Duplicate]) -> tuple[tuple[str, ...], ...]:
    names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    number = {name: k for k, name in enumerate(names)}
    ends = np.array([(number[pair.first], number[pair.second]) for pair in pairs], dtype=np.intp)
    first, second = ends.reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(names),) * 2)
    count, member_of = connected_components(graph, directed=False)
    return tuple(
        tuple(names[k] for k in np.flatnonzero(member_of == cluster)) for cluster in range(count)
    )
