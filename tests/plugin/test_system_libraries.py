"""A missing library of the system is named, with the remedy."""

from __future__ import annotations

from plugin.system_libraries import PACKAGES, missing


def test_here_nothing_is_missing() -> None:
    assert missing(PACKAGES) == ""


def test_a_missing_library_is_named_with_its_package() -> None:
    said = missing({"libnosuch.so.9": "libnosuch9", "libEGL.so.1": "libegl1"})
    assert "libnosuch.so.9" in said
    assert said.endswith("apt-get install libnosuch9")
