"""The connection to a PACS: credentials, and a limit to every wait."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter

from lib.pacs.settings import PacsSettings


class _Impatient(HTTPAdapter):
    """Gives every request the same limits, also those that a library makes."""

    def __init__(self, connect: float, read: float) -> None:
        self._limits = (connect, read)
        super().__init__()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: object = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send one request."""
        return super().send(request, stream, self._limits, verify, cert, proxies)


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def connection(settings: PacsSettings) -> requests.Session:
    """A session with the PACS's credentials; it waits no longer than the settings say.

    For one request: the other end is told to close the connection after it.
    """
    session = requests.Session()
    impatient = _Impatient(settings.connect_seconds, settings.read_seconds)
    session.mount("http://", impatient)
    session.mount("https://", impatient)
    session.auth = _Bearer(settings.token) if settings.token else settings.user
    session.headers["Connection"] = "close"
    return session
