"""What a panel remembers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from VerisimLib.parameters import MOST_SERVERS, Servers, read, tidy_address, written


@dataclass(frozen=True)
class Wish:
    model: str = ""
    steps: int = 10
    channels: tuple[str, ...] = ()


def test_what_is_written_is_read() -> None:
    wish = Wish("tumour ü", 3, ("T1", "T2"))
    assert read(Wish, written(wish)) == wish


def test_an_older_panel_opens_a_newer_scene() -> None:
    assert read(Wish, '{"steps": 3, "later": true}') == Wish(steps=3)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null"])
def test_what_is_no_record_gives_the_defaults(text: str) -> None:
    assert read(Wish, text) == Wish()


def test_the_latest_server_comes_first_without_doubles() -> None:
    servers = Servers(("a", "b")).with_latest("b")
    assert servers.recent == ("b", "a")


def test_only_so_many_servers_are_kept() -> None:
    servers = Servers()
    for number in range(20):
        servers = servers.with_latest(str(number))
    assert len(servers.recent) == MOST_SERVERS
    assert servers.recent[0] == "19"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (" localhost:8000/ ", "http://localhost:8000"),
        ("https://a.org//", "https://a.org"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_an_address_is_tidied(typed: str, meant: str) -> None:
    assert tidy_address(typed) == meant
