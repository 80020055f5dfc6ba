"""The fake server of `fake_server.py`, run and told what to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

PROGRAM = Path(__file__).with_name("fake_server.py")


@dataclass(frozen=True)
class Fake:
    """A server that misbehaves.

    Args:
        address: Where.
    """

    address: str

    def behave(self, **how: object) -> None:
        """Do this from now on, and forget all."""
        requests.post(f"{self.address}/_behave", json=how, timeout=5)

    def seen(self) -> list[str]:
        """The requests since then, as method and route."""
        told: list[str] = requests.get(f"{self.address}/_seen", timeout=5).json()
        return told


@contextmanager
def misbehaving() -> Iterator[Fake]:
    """Start it, and end it."""
    with subprocess.Popen([sys.executable, PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Fake(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()
