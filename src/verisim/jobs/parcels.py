"""Files that travel between machines: listed with their hashes, sent in pieces, checked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from verisim.card import sha256_of
from verisim.errors import StorageFailed
from verisim.files.atomic import TEMPORARY

PIECE_BYTES = 8 * 2**20
"""Sent at once: no machine on the way holds more of a volume than this."""


@dataclass(frozen=True)
class Parcel:
    """A file that is sent.

    Args:
        name: Its path below the folder that it is sent from.
        size: In bytes.
        sha256: Of all of it.
    """

    name: str
    size: int
    sha256: str


def parcels_of(folder: Path) -> tuple[Parcel, ...]:
    """All files below a folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        Parcel(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path))
        for path in found
    )


def read_piece(folder: Path, name: str, offset: int) -> bytes:
    """The piece of a file that begins at `offset`; empty at its end."""
    with inside(folder, name).open("rb") as file:
        file.seek(offset)
        return file.read(PIECE_BYTES)


def pieces_of(folder: Path, name: str) -> Iterator[bytes]:
    """A file, a piece at a time; an empty file is one empty piece."""
    with inside(folder, name).open("rb") as file:
        yield file.read(PIECE_BYTES)
        while piece := file.read(PIECE_BYTES):
            yield piece


def add_piece(folder: Path, name: str, offset: int, piece: bytes) -> None:
    """Put a piece in its place; offset 0 begins the file anew."""
    path = inside(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.write(piece)


def check(folder: Path, parcels: Sequence[Parcel]) -> None:
    """See that files arrived as they were sent.

    Raises:
        StorageFailed: One is missing or another one.
    """
    for parcel in parcels:
        path = inside(folder, parcel.name)
        if not path.is_file() or sha256_of(path) != parcel.sha256:
            raise StorageFailed(
                f"{parcel.name} arrived damaged from another machine.",
                "Ask again; look at the disks and the network of the workers if it stays so.",
            )


def inside(folder: Path, name: str) -> Path:
    """The path of a file below a folder.

    Raises:
        StorageFailed: The name leads out of it.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise StorageFailed(f"{name!r} leads out of its folder.", "Send files of this folder.")
    return folder.joinpath(*parts)


@contextmanager
def arriving(folder: Path, fetch: Callable[[Path], None]) -> Iterator[Path]:
    """A folder beside `folder` with what was fetched; it is gone after the block."""
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder.parent) as beside:
        arrived = Path(beside) / folder.name
        arrived.mkdir()
        fetch(arrived)
        yield arrived


def add_files(folder: Path, fetch: Callable[[Path], None]) -> None:
    """Put what is fetched into a folder once all of it has come."""
    with arriving(folder, fetch) as arrived:
        for path in arrived.iterdir():
            path.rename(folder / path.name)


def replace_folder(folder: Path, fetch: Callable[[Path], None]) -> None:
    """Let what is fetched take the place of a folder once all of it has come."""
    with arriving(folder, fetch) as arrived:
        if folder.exists():
            folder.rename(arrived.with_name("before"))
        shutil.move(arrived, folder)
