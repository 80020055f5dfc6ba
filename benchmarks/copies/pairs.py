"""Every case beside every other, once: many splits are then audited by looking up.

A split's training set decides which cases a query is laid onto: the three that a search puts first
among those allowed. The splits are dealt before anything is scored, so that it is known which
cases these can be: only they are laid on, and each split's scores are what an audit of that split
would compute, to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.collection import Collection
from verisim.audit.laying import Laying, LayingIndex
from verisim.audit.masks import CANDIDATES as MASK_CANDIDATES
from verisim.audit.masks import MaskIndex, MaskOverlap
from verisim.audit.measure import Alignment, Matches
from verisim.audit.texture import as_tensor, pooled
from verisim.progress import SILENT, Progress

Rows = npt.NDArray[np.intp]
Table = npt.NDArray[np.float32]
"""Of every case (rows) beside every case (columns); no number where no split asks."""

LOOKS = (
    "correlation",
    "texture",
    "warped texture",
    "recoloured texture",
    "turned part",
    "part",
    "fine part",
    "mask",
)


@dataclass(frozen=True, eq=False)
class Deal:
    """Rows of the cases of three groups of patients.

    Args:
        known: Of the training patients.
        real: Of those held out.
        made: Of those who are audited as if they were synthetic.
    """

    known: Rows
    real: Rows
    made: Rows


def dealt(
    patients: Sequence[str], held_out: int, synthetic: int, splits: int, seed: int
) -> list[Deal]:
    """Patients dealt out again and again."""
    draw = np.random.default_rng(seed)
    owner, deals = np.array(patients), []
    for _ in range(splits):
        people = draw.permutation(sorted(set(patients)))
        parts = np.split(people, [held_out, held_out + synthetic])
        real, made, known = (np.flatnonzero(np.isin(owner, part)) for part in parts)
        deals.append(Deal(known, real, made))
    return deals


@dataclass(frozen=True, eq=False)
class Pairs:
    """What the default measures say of every pair that a split may ask for.

    Args:
        owner: Patient of each case.
        correlation: Exact.
        whole: Peaks of the search, by which cases are chosen to be laid on.
        fit: After affine registration, everywhere.
        texture: The same where the training case lies.
        warped: After a warp on top of it.
        recoloured: In small places, whatever the sign there.
        turned: In some tile after affine registration.
        tiles: Peaks of the search for parts.
        part: After registration of the part.
        detail: The same by finer texture.
        masks: Peaks of the search by label maps.
        overlap: Of label maps, exactly.
    """

    owner: npt.NDArray[np.str_]
    correlation: Table
    whole: Table
    fit: Table
    texture: Table
    warped: Table
    recoloured: Table
    turned: Table
    tiles: Table
    part: Table
    detail: Table
    masks: Table
    overlap: Table

    def beside(self, queries: Rows, known: Rows) -> tuple[Matches, ...]:
        """What each measure says of some cases beside those of a training set."""
        looks = [self._look(int(query), known) for query in queries]
        names = LOOKS if self.masks.size else LOOKS[:-1]
        return tuple(
            Matches(
                name,
                np.array([look[k][0] for look in looks]),
                np.array([look[k][1] for look in looks], dtype=np.intp),
                (Alignment(),) * len(looks),
            )
            for k, name in enumerate(names)
        )

    def _look(self, query: int, known: Rows) -> list[tuple[float, int]]:
        allowed = known[self.owner[known] != self.owner[query]]
        most = Laying().candidates
        whole = _first(self.whole[query], allowed, most)
        part = _first(self.tiles[query], allowed, most)
        bent = whole[np.argmax(self.fit[query, whole])]
        found = [
            _highest(self.correlation[query], allowed),
            _highest(self.texture[query], whole),
            (float(self.warped[query, bent]), int(bent)),
            _highest(self.recoloured[query], whole),
            _highest(self.turned[query], whole),
            _highest(self.part[query], part),
            _highest(self.detail[query], part),
        ]
        if self.masks.size:
            chosen = _first(self.masks[query], allowed, MASK_CANDIDATES)
            found.append(_highest(self.overlap[query], chosen))
        return found


def pairs_of(
    whole: Collection, deals: Sequence[Deal], path: Path, progress: Progress = SILENT
) -> Pairs:
    """Score all pairs that the splits may ask for, or read what was scored for the same splits.

    Args:
        whole: All cases.
        deals: The splits.
        path: A file for the tables; those of finished cases stay there when a run is stopped.
        progress: Hears of every case.
    """
    masked = whole.masks is not None and bool(whole.masks.any())
    tables = _read(path) if path.is_file() else _empty(len(whole), masked)
    index = LayingIndex.of(whole, Laying())
    masks = MaskOverlap().prepared(whole) if masked else None
    todo = [k for k in range(len(whole)) if np.isnan(tables["whole"][k]).all()]
    for done, k in enumerate(todo):
        progress.advance(done, len(todo), "scoring")
        _score(k, whole, deals, index, masks, tables)
        if done % 10 == 9 or done == len(todo) - 1:
            _write(path, tables)
    return Pairs(np.array(whole.patients), _correlations(whole), **tables)


def _score(
    k: int,
    whole: Collection,
    deals: Sequence[Deal],
    index: LayingIndex,
    masks: MaskIndex | None,
    tables: dict[str, Table],
) -> None:
    owner = np.array(whole.patients)
    others = torch.from_numpy(owner != owner[k])
    allowed = [deal.known[owner[deal.known] != owner[k]] for deal in deals]
    image = pooled(as_tensor(whole.images[k][np.newaxis], "cpu"), index.step)
    texture = index.how.band(image)

    found = index.search.whole(image, others, int(others.sum()))
    tables["whole"][k, found.rows.numpy()] = found.peaks.abs().numpy()
    firsts = [_first(tables["whole"][k], rows, index.how.candidates) for rows in allowed]
    found = found.subset(_places(found.rows, firsts))
    fit = index.fitted(texture, found)
    tables["fit"][k, found.rows.numpy()] = fit.scores.numpy()
    inside = index.inside(texture, found, fit)
    tables["texture"][k, found.rows.numpy()] = inside.scores.numpy()
    tables["recoloured"][k, found.rows.numpy()] = index.recoloured(texture, fit).scores.numpy()
    tables["turned"][k, found.rows.numpy()] = index.by_tiles(image, found, fit).scores.numpy()
    best = [rows[[np.argmax(tables["fit"][k, rows])]] for rows in firsts]
    chosen = _places(found.rows, best)
    bent = index.bent(texture, found.subset(chosen), fit.of(chosen))
    tables["warped"][k, found.rows[chosen].numpy()] = bent.scores.numpy()

    found = index.search.parts(image, others, int(others.sum()))
    tables["tiles"][k, found.rows.numpy()] = found.peaks.abs().numpy()
    firsts = [_first(tables["tiles"][k], rows, index.how.candidates) for rows in allowed]
    found = found.subset(_places(found.rows, firsts))
    detail = index.fitted(texture, found)
    tables["detail"][k, found.rows.numpy()] = detail.scores.numpy()
    part = index.by_part(image, found, detail)
    tables["part"][k, found.rows.numpy()] = part.scores.numpy()

    if masks is not None and whole.masks is not None:
        posed = masks.posed(whole.masks[k])
        tables["masks"][k] = posed.peaks.numpy()
        firsts = [_first(tables["masks"][k], rows, MASK_CANDIDATES) for rows in allowed]
        for row in sorted({int(row) for rows in firsts for row in rows}):
            tables["overlap"][k, row] = masks.laid(posed, row)[0]


def _places(rows: Tensor, chosen: Sequence[Rows]) -> Tensor:
    wanted = np.unique(np.concatenate(chosen))
    return torch.from_numpy(np.flatnonzero(np.isin(rows.numpy(), wanted)))


def _first(peaks: Table, allowed: Rows, count: int) -> Rows:
    return allowed[np.argsort(-peaks[allowed], kind="stable")[:count]]


def _highest(scores: Table, rows: Rows) -> tuple[float, int]:
    best = int(rows[np.argmax(scores[rows])])
    return float(scores[best]), best


def _correlations(whole: Collection) -> Table:
    rows = whole.images.reshape(len(whole), -1).astype(np.float32)
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    products: Table = rows @ rows.T
    return products


def _names() -> Iterator[str]:
    yield from (
        "whole",
        "fit",
        "texture",
        "warped",
        "recoloured",
        "turned",
        "tiles",
        "part",
        "detail",
    )
    yield from ("masks", "overlap")


def _empty(count: int, masked: bool) -> dict[str, Table]:
    room = {name: np.full((count, count), np.nan, np.float32) for name in _names()}
    if not masked:
        room |= {name: np.empty((0, 0), np.float32) for name in ("masks", "overlap")}
    return room


def _read(path: Path) -> dict[str, Table]:
    with np.load(path) as held:
        return {name: held[name] for name in _names()}


def _write(path: Path, tables: dict[str, Table]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"new {path.name}")
    np.savez(temporary, **tables)
    temporary.replace(path)
