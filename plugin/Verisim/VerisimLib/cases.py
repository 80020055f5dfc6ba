"""What the server sends as files, taken out in memory: nothing is left on the disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from VerisimLib import nifti
from VerisimLib.nrrd import Grid, unpacked
from VerisimLib.problems import Odd, Rejected


@dataclass(frozen=True, eq=False)
class MadeCase:
    """A case that the server made.

    Args:
        name: Of the case.
        image: (X, Y, Z), or of several channels (C, X, Y, Z).
        labels: Values (X, Y, Z).
    """

    name: str
    image: Grid
    labels: Grid


def study(content: bytes) -> Grid:
    """The volume of a file of the server's studies, NRRD or NIfTI.

    Raises:
        Odd: It is neither.
    """
    return unpacked(content) if content.startswith(b"NRRD") else nifti.unpacked(content)


def made_cases(content: bytes) -> tuple[MadeCase, ...]:
    """The cases of `cases.zip`.

    Raises:
        Odd: It is none.
    """
    files = _files(content)
    names = sorted(name for name in files if name.startswith("labelsTr/"))
    found = []
    for label in names:
        case = label[len("labelsTr/") : -len(".nrrd")]
        image = files.get(f"imagesTr/{case}_0000.nrrd") or files.get(f"imagesTr/{case}.nrrd")
        if image is None:
            raise Odd(f"The server sent no image of {case}.", "Try again.")
        found.append(MadeCase(case, unpacked(image), unpacked(files[label])))
    return tuple(found)


def pairs(content: bytes) -> tuple[Mapping[str, Grid], ...]:
    """The pairs of `pairs.zip`, first the closest: each part by its name.

    Raises:
        Odd: It is none.
    """
    found: dict[int, dict[str, Grid]] = {}
    for name, data in _files(content).items():
        number, _, part = name[: -len(".nrrd")].partition("-")
        found.setdefault(int(number), {})[part] = unpacked(data)
    return tuple(found[number] for number in sorted(found))


def unpack_into(content: bytes, folder: Path) -> int:
    """Put the files of a ZIP file into a new folder; returns how many.

    Raises:
        Rejected: The folder exists and holds something, or the disk refuses.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Rejected(f"The folder {folder} is not empty.", "Choose a new one.")
    files = _files(content)
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in files):
        raise Odd("The server's archive leaves its folder.", "Tell the server's admin.")
    try:
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise Rejected(
            f"{folder} cannot be written: {error}.", "Choose another folder."
        ) from error
    return len(files)


def _files(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return {one: packed.read(one) for one in packed.namelist() if not one.endswith("/")}
    except zipfile.BadZipFile as error:
        raise Odd("The server's archive cannot be read.", "Try again.") from error
