"""Files in pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from verisim.errors import StorageFailed
from verisim.jobs import parcels
from verisim.jobs.parcels import (
    Parcel,
    add_files,
    add_piece,
    check,
    inside,
    parcels_of,
    pieces_of,
    read_piece,
    replace_folder,
)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece is ten bytes."""
    monkeypatch.setattr(parcels, "PIECE_BYTES", 10)


def filled(folder: Path, **files: str) -> Path:
    """A folder with text files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("size", [0, 1, 10, 11, 35])
def test_a_file_in_pieces_is_the_same_file(size: int, tmp_path: Path) -> None:
    there, here = filled(tmp_path / "there", file="x" * size), tmp_path / "here"
    offset = 0
    for piece in pieces_of(there, "file"):
        assert piece == read_piece(there, "file", offset)
        add_piece(here, "file", offset, piece)
        offset += len(piece)
    check(here, parcels_of(there))


def test_a_shorter_file_replaces_a_longer_one(tmp_path: Path) -> None:
    here = filled(tmp_path, file="longer")
    add_piece(here, "file", 0, b"abc")
    assert (here / "file").read_bytes() == b"abc"


@pytest.mark.parametrize("name", ["../file", "/etc/passwd", "a/../../b", "", "."])
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        inside(tmp_path, name)


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    sent = parcels_of(filled(tmp_path / "there", file="text"))
    with pytest.raises(StorageFailed, match="file arrived damaged"):
        check(filled(tmp_path / "here", file="tex"), sent)
    with pytest.raises(StorageFailed, match="other arrived damaged"):
        check(tmp_path, [Parcel("other", 0, "")])


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = filled(tmp_path / "scratch", old="old", both="old")

    def broken(arrived: Path) -> None:
        filled(arrived, new="new")
        raise OSError("the line broke")

    with pytest.raises(OSError, match="broke"):
        replace_folder(folder, broken)
    assert {path.name for path in folder.iterdir()} == {"old", "both"}
    replace_folder(folder, lambda arrived: filled(arrived, new="new", both="new") and None)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "new": "new",
        "both": "new",
    }
    assert list(tmp_path.iterdir()) == [folder]


def test_results_appear_when_all_of_them_have_come(tmp_path: Path) -> None:
    folder = filled(tmp_path / "results")

    def fetch(arrived: Path) -> None:
        filled(arrived, one="1")
        assert not list(folder.iterdir())
        filled(arrived, two="2")

    add_files(folder, fetch)
    assert {path.name for path in folder.iterdir()} == {"one", "two"}
