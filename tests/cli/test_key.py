"""`verisim key`: made once, shown once."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from verisim.keys import Role, owner, parse_keys, read_keys


def test_a_key_and_its_line_are_printed(verisim: Command) -> None:
    run = verisim("key", "anna", "--role", "annotator")
    key, line = run.out.split("\n")[:2]
    (entry,) = parse_keys(line, "x")
    assert (entry.name, entry.role) == ("anna", Role.ANNOTATOR)
    assert owner([entry], key) == entry
    assert run.code == 0


def test_with_a_file_only_the_key_is_printed_and_the_file_holds_only_its_hash(
    verisim: Command, tmp_path: Path
) -> None:
    path = tmp_path / "keys.txt"
    keys = [verisim("key", name, "--keys", path).out.strip() for name in ("anna", "ben")]
    entries = read_keys(path)
    assert [owner(entries, key) for key in keys] == list(entries)
    assert not any(key in path.read_text() for key in keys)


def test_json_holds_the_key_and_the_line(verisim: Command) -> None:
    facts = verisim("key", "anna", "--role", "admin", "--json").facts
    assert set(facts) == {"name", "role", "key", "line"}
    assert owner(parse_keys(facts["line"], "x"), facts["key"])


def test_a_wrong_role_and_a_taken_name_end_with_exit_code_2(
    verisim: Command, tmp_path: Path
) -> None:
    path = tmp_path / "keys.txt"
    assert verisim("key", "anna", "--role", "boss", "--keys", path).code == 2
    assert not path.exists()
    verisim("key", "anna", "--keys", path)
    before = path.read_text()
    refused = verisim("key", "anna", "--keys", path, "--json")
    assert (refused.code, refused.facts["error"]["code"]) == (2, "conflict")
    assert path.read_text() == before
