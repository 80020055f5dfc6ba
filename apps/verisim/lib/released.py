"""The door of the training pool: synthetic images come in with the certificate of an audit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.datastore import Datastore

from lib.pacs.datastore import PacsDatastore
from verisim.audit.certificate import Certificate, parsed
from verisim.audit.pool import certificates_in, is_let_out, unreleased
from verisim.dataset import Case
from verisim.errors import Unreleased

CERTIFICATES = "certificates"
"""Folder of certificates beside the images; key of one in the information of an image."""

REMEDY = (
    "Audit the cases, let out those that pass (verisim release), and send each with its "
    f'certificate: params={{"{CERTIFICATES[:-1]}": …}}.'
)


def check_image(path: Path, info: Mapping[str, Any], folder: Path) -> None:
    """Refuse a synthetic image that no audit has let out.

    Args:
        path: The image.
        info: What came with it; may hold `certificate`.
        folder: Where certificates lie.

    Raises:
        Unreleased: It is synthetic and has no certificate, or that of other bytes.
    """
    known = (*certificates_in(folder), *sent_with(info))
    sealed = frozenset(file.sha256 for one in known for file in one.files)
    if not is_let_out(path, sealed):
        raise Unreleased("The image is synthetic, and no audit has let it out.", REMEDY)


def check_cases(datastore: Datastore, cases: Sequence[Case]) -> None:
    """Refuse to learn from synthetic cases that no audit has let out.

    Raises:
        Unreleased: There are such cases.
    """
    found = unreleased(cases, certificates_for(datastore, [case.name for case in cases]))
    if found:
        raise Unreleased(
            f"{len(found)} of the labelled cases are synthetic, and no audit has let them out: "
            f"{found[0]} is one.",
            "Put their certificates (verisim release) into the folder certificates of the "
            "studies, or take the cases out.",
        )


def certificates_for(datastore: Datastore, names: Sequence[str]) -> tuple[Certificate, ...]:
    """The certificates that lie beside a datastore, and those that came with some images."""
    infos = (datastore.get_image_info(name) for name in names)
    return (*_beside(datastore), *(one for info in infos for one in _kept(info)))


def _beside(datastore: Datastore) -> tuple[Certificate, ...]:
    """The certificates that lie in the folder of a datastore."""
    if isinstance(datastore, PacsDatastore):
        return certificates_in(datastore.settings.folder / CERTIFICATES)
    if isinstance(datastore, LocalDatastore):
        return certificates_in(Path(datastore._datastore_path) / CERTIFICATES)
    return ()


def sent_with(info: Mapping[str, Any]) -> tuple[Certificate, ...]:
    """The certificate in the information of an image, if there is one.

    Raises:
        Unreleased: It is none, or it was changed.
    """
    given = info.get(CERTIFICATES[:-1])
    if not given:
        return ()
    return (parsed(given if isinstance(given, str) else json.dumps(given)),)


def _kept(info: Mapping[str, Any]) -> tuple[Certificate, ...]:
    try:
        return sent_with(info)
    except Unreleased:
        return ()  # somebody changed it: it stands for nothing
