"""Keys: random, kept as hashes, each for one person with one role."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from verisim.errors import BadInput, Conflict, StorageFailed
from verisim.keys import (
    KEY,
    KeyEntry,
    Role,
    append_key,
    hash_of,
    new_key,
    owner,
    parse_keys,
    read_keys,
)

HASH = hash_of("verisim_" + "a" * 43)
OTHER = hash_of("verisim_" + "b" * 43)


def test_every_key_is_another_and_has_256_bits() -> None:
    keys = {new_key("anna", "reader")[0] for _ in range(100)}
    assert len(keys) == 100
    assert all(KEY.fullmatch(key) for key in keys)


def test_a_key_finds_its_owner_and_no_other_key_does() -> None:
    made = [new_key(name, role) for name, role in (("anna", "annotator"), ("ben", "admin"))]
    entries = [entry for _, entry in made]
    assert [owner(entries, key) for key, _ in made] == entries
    wrong = [new_key("eve", "admin")[0], "", made[0][0][:-1], made[0][0] + "x", "é" * 51]
    assert [owner(entries, key) for key in wrong] == [None] * len(wrong)


def test_a_word_that_somebody_thought_of_is_no_key() -> None:
    entries = [KeyEntry("anna", Role.ADMIN, hash_of("password"))]
    assert owner(entries, "password") is None


def test_an_entry_survives_its_line() -> None:
    _, entry = new_key("anna.b@hospital", "admin")
    assert parse_keys(entry.line, "x") == (entry,)
    assert entry.hashed.startswith("sha256:")


def test_empty_lines_and_notes_are_skipped_and_semicolons_part_lines() -> None:
    text = f"# the ward\n\nanna reader {HASH}; ben admin {OTHER}\n"
    assert [entry.name for entry in parse_keys(text, "x")] == ["anna", "ben"]
    assert parse_keys("", "x") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"anna reader {HASH}\nanna admin {OTHER}", "the name 'anna' twice"),
        (f"anna reader {HASH}\nben admin {HASH}", "twice"),
        (f"\nanna boss {HASH}", "line 2: There is no role 'boss'"),
        ("anna reader", "line 1: 2 words"),
        (f"anna reader {HASH} x", "line 1: 4 words"),
        ("anna reader password", "no hash"),
        (f"anna reader {HASH[:-1]}", "no hash"),
        (f"../anna reader {HASH}", "no name"),
    ],
)
def test_a_line_that_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        parse_keys(text, "keys.txt")
    assert "keys.txt" in caught.value.message
    assert caught.value.remedy


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("nobody", "binary", "."):
        with pytest.raises(BadInput, match="cannot be read"):
            read_keys(tmp_path / name)


def test_a_key_is_added_to_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    entries = [new_key(name, "reader")[1] for name in ("anna", "ben")]
    for entry in entries:
        append_key(path, entry)
    assert read_keys(path) == tuple(entries)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_begins_a_line_of_its_own_and_the_file_keeps_its_permissions(
    tmp_path: Path,
) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(f"anna reader {HASH}")
    path.chmod(0o640)
    append_key(path, KeyEntry("ben", Role.ADMIN, OTHER))
    assert path.read_text() == f"anna reader {HASH}\nben admin {OTHER}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_name_that_is_taken_and_a_folder_that_is_missing_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(f"anna reader {HASH}\n")
    with pytest.raises(Conflict, match="anna"):
        append_key(path, KeyEntry("anna", Role.ADMIN, OTHER))
    assert path.read_text() == f"anna reader {HASH}\n"
    with pytest.raises(StorageFailed):
        append_key(tmp_path / "nowhere" / "keys.txt", KeyEntry("a", Role.ADMIN, OTHER))
