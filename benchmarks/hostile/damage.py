"""Damage that needs no knowledge of the format: ends cut off, bits flipped, bytes moved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hostile.specimens import Specimen

Random = np.random.Generator
Damage = Callable[[Specimen, Random], Specimen]

HEAD = 600
"""Bytes in which the headers of most files lie."""

RUN = 400
"""Longest run of bytes that is moved or overwritten."""


def truncated(specimen: Specimen, random: Random) -> Specimen:
    """The end is missing: anywhere, in the header, or only the last bytes."""
    size = len(specimen.content)
    places = (
        int(random.integers(0, size)),
        int(random.integers(0, min(HEAD, size))),
        size - int(random.integers(1, min(16, size))),
    )
    return specimen.with_content(specimen.content[: places[random.integers(len(places))]])


def flipped(specimen: Specimen, random: Random) -> Specimen:
    """Some bits are turned over, anywhere or in the header."""
    array = np.frombuffer(specimen.content, np.uint8).copy()
    limit = len(array) if random.integers(2) else min(HEAD, len(array))
    for place in random.integers(0, limit, int(2 ** random.integers(0, 7))):
        array[place] ^= 1 << int(random.integers(8))
    return specimen.with_content(array.tobytes())


def run_changed(specimen: Specimen, random: Random) -> Specimen:
    """A run of bytes is zero, all ones, noise, missing, doubled, or somewhere else."""
    content = specimen.content
    limit = len(content) if random.integers(2) else min(HEAD, len(content))
    start = int(random.integers(0, limit))
    run = content[start : start + int(random.integers(1, RUN))]
    before, after = content[:start], content[start + len(run) :]
    changed = (
        before + bytes(len(run)) + after,
        before + b"\xff" * len(run) + after,
        before + random.bytes(len(run)) + after,
        before + after,
        before + run + run + after,
        run + before + after,
    )
    return specimen.with_content(changed[random.integers(len(changed))])


def slices_mixed_up(specimen: Specimen, random: Random) -> Specimen:
    """A series with a slice missing, twice, cut, empty, of something else, or in no order."""
    files = list(specimen.files)
    n = int(random.integers(len(files)))
    name, content = files[n]
    changes: tuple[tuple[tuple[str, bytes], ...], ...] = (
        (),
        ((name, content), ("again.dcm", content)),
        ((name, content[: int(random.integers(len(content)))]),),
        ((name, b""),),
        ((name, random.bytes(len(content))),),
        ((name, content[::-1]),),
        ((name, content), ("../../outside.dcm", content)),
        ((name, content), ("notes.txt", b"not DICOM")),
    )
    files[n : n + 1] = changes[random.integers(len(changes))]
    order = random.permutation(len(files))
    return Specimen(specimen.format, tuple(files[k] for k in order))


ANYWHERE: dict[str, Damage] = {
    "truncated": truncated,
    "bits flipped": flipped,
    "bytes run": run_changed,
}
"""Applies to every format."""
