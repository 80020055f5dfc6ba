"""Whatever goes wrong between this server and its PACS, by name and with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import singledispatch

import requests

from lib.pacs.settings import TOKEN, PacsSettings
from verisim.errors import NotFound, Unavailable, VerisimError

IS_IT_UP = "Start it, or check the address that was given with --studies."
IS_IT_DICOMWEB = (
    "Check the address that was given with --studies: it is that of the DICOMweb service, "
    "for Orthanc http://HOST:8042/dicom-web."
)
CREDENTIALS = (
    "Set MONAI_LABEL_DICOMWEB_USERNAME and MONAI_LABEL_DICOMWEB_PASSWORD, or "
    f"{TOKEN}, where the server is started."
)
SLOWER = "Try again later, or start the server with a larger --conf pacs_read_seconds."


@contextmanager
def named(settings: PacsSettings) -> Iterator[None]:
    """Errors of the network and of answers that make no sense become ours.

    Raises:
        NotFound: The PACS has no such thing.
        Unavailable: Everything else; the message says what.
    """
    try:
        yield
    except (requests.RequestException, ValueError) as error:
        raise fault(error, settings) from error


@singledispatch
def fault(error: Exception, settings: PacsSettings) -> VerisimError:
    """Our error for one of the network's; what is left over is an answer that makes no sense."""
    return Unavailable(
        f"What answers at {settings.host} does not speak DICOMweb ({type(error).__name__}).",
        IS_IT_DICOMWEB,
    )


@fault.register
def _(error: requests.ConnectionError, settings: PacsSettings) -> VerisimError:
    if "Read timed out" in str(error):  # so it is called in the middle of an answer
        return fault(requests.ReadTimeout(), settings)
    return Unavailable(
        f"The PACS at {settings.host} cannot be reached: it refuses or breaks the connection.",
        IS_IT_UP,
    )


@fault.register
def _(error: requests.ConnectTimeout, settings: PacsSettings) -> VerisimError:
    return Unavailable(
        f"The PACS at {settings.host} did not take the connection within "
        f"{settings.connect_seconds:g} s.",
        IS_IT_UP,
    )


@fault.register
def _(error: requests.ReadTimeout, settings: PacsSettings) -> VerisimError:
    return Unavailable(
        f"The PACS at {settings.host} was silent for {settings.read_seconds:g} s.", SLOWER
    )


@fault.register
def _(error: requests.exceptions.ChunkedEncodingError, settings: PacsSettings) -> VerisimError:
    return Unavailable(
        f"The PACS at {settings.host} broke off in the middle of its answer.", "Try again."
    )


@fault.register
def _(error: requests.exceptions.SSLError, settings: PacsSettings) -> VerisimError:
    return Unavailable(
        f"The certificate of the PACS at {settings.host} is not trusted.",
        "Set REQUESTS_CA_BUNDLE to the file of its authority where the server is started.",
    )


@fault.register
def _(error: requests.HTTPError, settings: PacsSettings) -> VerisimError:
    status = status_of(error)
    if status in (401, 403, 407):
        return Unavailable(
            f"The PACS at {settings.host} does not accept this server's credentials ({status}).",
            CREDENTIALS,
        )
    if status == 404:
        return NotFound(
            f"The PACS at {settings.host} does not have that (404).",
            f"It may have been deleted there. {IS_IT_DICOMWEB}",
        )
    return Unavailable(
        f"The PACS at {settings.host} failed ({status}).", "Look into its log, and try again."
    )


def status_of(error: requests.HTTPError) -> int:
    """The status that the PACS answered with."""
    return 0 if error.response is None else int(error.response.status_code)
