"""Cases compared with the training cases, block by block, here or on many machines."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from verisim.audit.collection import Collection
from verisim.audit.kept_scores import KeptScores, fingerprint_of, joined, sha256
from verisim.audit.measure import Index, Matches, Measure
from verisim.progress import SILENT, Progress, Together

BLOCK = 64
"""Cases that are compared and kept together; the same everywhere, so that sums are rounded
alike on one machine and on many."""

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""In what Python says of a function; another in every process."""


@dataclass(eq=False)
class Asking:
    """One measure, asked about many cases.

    Its index is prepared when it is needed: not at all where every answer was kept.

    Args:
        measure: Which.
        training: Cases that all are compared with.
        kept: Answers of an audit that was stopped.
        executor: Where blocks are compared at the same time, e.g. of a Dask client
            (`client.get_executor()`); here, one after the other, without it.
    """

    measure: Measure
    training: Collection
    kept: KeptScores = field(default_factory=KeptScores)
    executor: Executor | None = None
    _index: Index | None = None
    _training_key: str = ""

    def __post_init__(self) -> None:
        self._training_key = fingerprint_of(self.training)

    def __call__(
        self,
        queries: Collection,
        progress: Together,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """Compare cases with all training cases.

        Args:
            queries: On the same grid.
            progress: Of this part of an audit.
            not_of: See `Index`.
        """
        blocks = list(_blocks(queries, not_of))
        keys = [self.key_of(*block) for block in blocks]
        found = {key: self.kept.find(key) for key in keys}
        waiting = [k for k, key in enumerate(keys) if found[key] is None]
        done = len(queries) - sum(len(blocks[k][0]) for k in waiting)
        answers = self._answers([blocks[k] for k in waiting], done, progress)
        for k, matches in zip(waiting, answers, strict=True):
            self.kept.keep(keys[k], matches)
            found[keys[k]] = matches
            done += len(blocks[k][0])
            progress.advance(done, len(queries), self.measure.name)
        return joined([one for key in keys if (one := found[key]) is not None])

    def _answers(
        self, blocks: Sequence[Block], done: int, progress: Together
    ) -> Iterator[Matches]:
        if not blocks:
            return
        index = self._prepared(progress)
        if self.executor is not None:
            yield from self.executor.map(partial(_answer, index), *zip(*blocks, strict=True))
            return
        for cases, not_of in blocks:
            yield index(cases, _inside(progress, done, len(cases)), not_of=not_of)
            done += len(cases)

    def _prepared(self, progress: Together) -> Index:
        if self._index is None:
            self._index = self.measure.prepared(self.training, _inside(progress, 0, 0))
        return self._index

    def key_of(self, cases: Collection, not_of: Sequence[str] | None) -> str:
        """What answers are kept under: another one for anything that may change them."""
        said = repr(self.measure) if dataclasses.is_dataclass(self.measure) else ""
        said = ADDRESS.sub("", said)
        own = (self.measure.name, said, self._training_key, fingerprint_of(cases))
        return sha256([*own, *(not_of or ())])


Block = tuple[Collection, Sequence[str] | None]


def _blocks(queries: Collection, not_of: Sequence[str] | None) -> Iterator[Block]:
    for start in range(0, len(queries), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(queries)))
        others = None if not_of is None else tuple(not_of[row] for row in rows)
        yield queries.subset(rows), others


def _answer(index: Index, cases: Collection, not_of: Sequence[str] | None) -> Matches:
    """One block, on whichever machine."""
    return index(cases, SILENT, not_of=not_of)


def _inside(progress: Together, done: int, size: int) -> Progress:
    """The progress of a block within that of a set."""
    return Together(progress.whole, progress.first + done, size, progress.count)
