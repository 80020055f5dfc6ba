"""The only file that speaks HTTP."""

from __future__ import annotations

import requests

SECONDS_TO_CONNECT, SECONDS_TO_ANSWER = 5, 15


class ServerTrouble(Exception):
    """What went wrong, and what the user can do."""


def greet(address: str, key: str, progress: object) -> str:
    """Asks a server who it is.

    Args:
        address: For example "http://127.0.0.1:8000".
        key: Sent as a bearer token, unless empty.
        progress: Its `advance` may raise when the answer is no longer wanted.

    Returns:
        A sentence with the name of the app.

    Raises:
        ServerTrouble: No server, or not one of ours.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = (SECONDS_TO_CONNECT, SECONDS_TO_ANSWER)
    try:
        answer = requests.get(f"{address}/info/", headers=headers, timeout=timeout)
        answer.raise_for_status()
        name = answer.json()["name"]
    except requests.ConnectionError as error:
        raise ServerTrouble(f"Nobody answers at {address}. Is the server running?") from error
    except requests.HTTPError as error:
        raise ServerTrouble(f"{address} answers {error.response.status_code}.") from error
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise ServerTrouble(f"{address} is no MONAI Label server.") from error
    return f"Connected to {name}."
