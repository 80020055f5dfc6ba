"""The parts of a multipart answer become files while they arrive."""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import requests
from python_multipart.multipart import MultipartParser

from lib.pacs.settings import PacsSettings
from verisim.errors import TooLarge, Unavailable

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

CHUNK = 1 << 18


def save_parts(response: requests.Response, folder: Path, settings: PacsSettings) -> list[Path]:
    """Write each part into a file of its own, 000001.dcm and so on.

    Raises:
        ValueError: The answer has no parts.
        TooLarge: It is larger than the cache.
        Unavailable: It ends too early, or takes too long.
    """
    parts = _Parts(folder)
    parser = MultipartParser(_boundary(response), parts.callbacks())
    left = settings.cache_gb * 1e9
    deadline = time.monotonic() + settings.fetch_seconds
    try:
        for chunk in _chunks(response):
            left -= len(chunk)
            _check_limits(left, deadline, settings)
            parser.write(chunk)
    finally:
        parts.close()
    if not parts.ended:
        raise Unavailable(
            f"The PACS at {settings.host} broke off after {len(parts.paths)} instance(s).",
            "Try again.",
        )
    return parts.paths


class _Parts:
    """Files of the parts that have begun."""

    def __init__(self, folder: Path) -> None:
        self.paths: list[Path] = []
        self.ended = False
        self._folder = folder
        self._file: BinaryIO | None = None

    def callbacks(self) -> MultipartCallbacks:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._write,
            "on_part_end": self.close,
            "on_end": self._end,
        }

    def close(self) -> None:
        """Close the file of the last part."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self.paths.append(self._folder / f"{len(self.paths) + 1:06d}.dcm")
        self._file = self.paths[-1].open("wb")

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])

    def _end(self) -> None:
        self.ended = True


def _boundary(response: requests.Response) -> bytes:
    header = Message()
    header["Content-Type"] = response.headers.get("Content-Type", "")
    boundary = header.get_param("boundary")
    if header.get_content_maintype() != "multipart" or not isinstance(boundary, str):
        raise ValueError(f"{header.get_content_type()} instead of multipart")
    return boundary.encode("latin-1")


def _chunks(response: requests.Response) -> Iterable[bytes]:
    return response.iter_content(CHUNK)


def _check_limits(left: float, deadline: float, settings: PacsSettings) -> None:
    if left < 0:
        raise TooLarge(
            f"The series is larger than the cache ({settings.cache_gb:g} GB).",
            "Start the server with a larger --conf pacs_cache_gb.",
        )
    if time.monotonic() > deadline:
        raise Unavailable(
            f"The PACS at {settings.host} took more than {settings.fetch_seconds:g} s to send "
            "one series.",
            "Try again later, or start the server with a larger --conf pacs_fetch_seconds.",
        )
