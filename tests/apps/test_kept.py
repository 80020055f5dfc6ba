"""How long uploads are kept, whatever the clocks do."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from lib.kept import KeptUploads
from verisim.errors import TooLarge

KEY = hashlib.sha256(b"x").hexdigest()
HOUR = 3600.0


def keep(uploads: KeptUploads, key: str = KEY, size: int = 10) -> None:
    with uploads.writing() as folder:
        (folder / "volume.nii").write_bytes(bytes(size))
        uploads.keep("anna", key, folder)


def test_a_jump_of_the_wall_clock_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = KeptUploads(tmp_path, 24 * HOUR, 1000)
    keep(uploads)
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + 1000 * HOUR)
    assert uploads.has("anna", KEY)
    again = KeptUploads(tmp_path, 24 * HOUR, 1000)  # also over a restart
    assert again.has("anna", KEY)


def test_what_nobody_used_for_long_enough_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = KeptUploads(tmp_path, 24 * HOUR, 1000)
    keep(uploads)
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 23 * HOUR)
    assert uploads.has("anna", KEY)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 48 * HOUR)
    uploads.sweep()
    assert not uploads.has("anna", KEY)
    assert [path for path in tmp_path.rglob("*") if path.name == "volume.nii"] == []


def test_what_is_in_use_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = KeptUploads(tmp_path, HOUR, 1000)
    keep(uploads)
    with uploads.using("anna", KEY) as path:
        monotonic = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 2 * HOUR)
        uploads.sweep()
        assert path.read_bytes() == bytes(10)
    uploads.sweep()
    assert not path.exists()


def test_what_is_larger_than_everything_that_may_be_kept_is_refused(tmp_path: Path) -> None:
    uploads = KeptUploads(tmp_path, HOUR, 1000)
    keep(uploads)
    with pytest.raises(TooLarge):
        keep(uploads, hashlib.sha256(b"y").hexdigest(), 1001)
    assert uploads.has("anna", KEY)
    assert list(tmp_path.glob(".writing-*")) == []


def test_another_user_has_none_of_it(tmp_path: Path) -> None:
    uploads = KeptUploads(tmp_path, HOUR, 1000)
    keep(uploads)
    assert not uploads.has("bert", KEY)
    uploads.remove_all("bert")
    assert uploads.has("anna", KEY)
    uploads.remove_all("anna")
    assert not uploads.has("anna", KEY)
