"""What the person who starts the server says about its PACS."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from monailabel.config import settings
from pydicom.datadict import tag_for_keyword

from verisim.errors import BadInput

FOLDER = Path.home() / ".local" / "share" / "verisim" / "pacs"
TOKEN = "VERISIM_PACS_TOKEN"
"""Environment variable of a bearer token; it never stands on a command line."""


@dataclass(frozen=True)
class PacsSettings:
    """Where the PACS is, what it shows, and how long to wait for it.

    Args:
        url: Of its DICOMweb service, without a slash at the end.
        folder: Of this PACS alone, for the cache and for labels that are not final.
        modalities: Series of others are not listed.
        filters: DICOM keyword and value that listed series must have.
        user: Name and password; None for none.
        token: Sent as a bearer token; empty for none.
        connect_seconds: How long a connection may take.
        read_seconds: How long the PACS may be silent.
        fetch_seconds: How long one series may take.
        fresh_seconds: How old a list of series may be.
        cache_gb: Size of the cache.
        cache_hours: What nobody used for so long is deleted.
    """

    url: str
    folder: Path
    modalities: tuple[str, ...] = ("CT", "MR", "PT")
    filters: Mapping[str, str] = field(default_factory=dict)
    user: tuple[str, str] | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)
    connect_seconds: float = 5
    read_seconds: float = 30
    fetch_seconds: float = 600
    fresh_seconds: float = 5
    cache_gb: float = 20
    cache_hours: float = 24

    @property
    def host(self) -> str:
        """For messages."""
        return urlsplit(self.url).netloc


def read_settings(url: str, conf: Mapping[str, str]) -> PacsSettings:
    """The settings among all `--conf` pairs, and credentials of the environment.

    Raises:
        BadInput: The address or a value cannot be used.
    """
    address = _checked(url)
    folder = Path(conf.get("pacs_folder") or settings.MONAI_LABEL_DICOMWEB_CACHE_PATH or FOLDER)
    name, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    return PacsSettings(
        url=address,
        folder=folder.expanduser() / hashlib.sha256(address.encode()).hexdigest()[:16],
        modalities=_modalities(conf),
        filters=_filters(conf.get("pacs_filter", "")),
        user=(name, password) if name else None,
        token=os.environ.get(TOKEN, ""),
        read_seconds=_positive(conf, "pacs_read_seconds", PacsSettings.read_seconds),
        fetch_seconds=_positive(conf, "pacs_fetch_seconds", PacsSettings.fetch_seconds),
        cache_gb=_positive(conf, "pacs_cache_gb", PacsSettings.cache_gb),
        cache_hours=_positive(conf, "pacs_cache_hours", PacsSettings.cache_hours),
    )


def _checked(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(
            f"{url} is no address of a DICOMweb service.",
            "Give one like http://127.0.0.1:8042/dicom-web.",
        )
    if parts.username or parts.password:
        raise BadInput(
            f"The address of {parts.hostname} holds a user name or password.",
            "Set MONAI_LABEL_DICOMWEB_USERNAME and MONAI_LABEL_DICOMWEB_PASSWORD instead: "
            "addresses are printed and logged.",
        )
    return url.strip().rstrip("/")


def _modalities(conf: Mapping[str, str]) -> tuple[str, ...]:
    given = conf.get("pacs_modalities", ",".join(PacsSettings.modalities))
    found = tuple(word.strip().upper() for word in given.split(",") if word.strip())
    if not found or not all(word.isalnum() for word in found):
        raise BadInput(f"--conf pacs_modalities is {given!r}.", "Give for example CT,MR.")
    return found


def _filters(text: str) -> dict[str, str]:
    pairs = dict(parse_qsl(text))
    unknown = [keyword for keyword in pairs if tag_for_keyword(keyword) is None]
    if unknown or bool(text) != bool(pairs):
        raise BadInput(
            f"--conf pacs_filter is {text!r}.",
            "Give DICOM keywords and values, e.g. StudyDate=20260101-&BodyPartExamined=BRAIN.",
        )
    return pairs


def _positive(conf: Mapping[str, str], name: str, default: float) -> float:
    given = str(conf.get(name, default))
    try:
        number = float(given)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise BadInput(f"--conf {name} is {given!r}.", "Give a number above 0.")
    return number
