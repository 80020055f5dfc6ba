"""The door: who asks, whether the role is enough, and not too often."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from lib.doors.local import check_local
from lib.doors.rates import Rates, network_of
from lib.doors.refusals import bad_path, no_key, not_allowed, too_often, wrong_key
from lib.doors.ring import KeyRing
from lib.doors.roles import OPEN, role_for
from lib.doors.stock import user_of_token
from lib.doors.who import LOCAL, NOBODY, Role, User
from lib.errors import reply
from lib.middleware import UploadLimit

WRONG_KEYS = 10
"""Wrong keys that an address may send in a minute."""

BURST_SECONDS = 4
"""A key may ask this many seconds' requests at once."""

STRANGERS_MB = 1
"""Largest request without a key."""

SECRET = {b"x-api-key", b"authorization"}


class Keys:
    """Who may come in with a key.

    Args:
        ring: The keys.
        per_second: Requests that each key may send, sustained.
    """

    def __init__(self, ring: KeyRing, per_second: float) -> None:
        self._ring = ring
        self._asked = Rates(per_second, max(1.0, BURST_SECONDS * per_second))
        self._wrong = Rates(WRONG_KEYS / 60, WRONG_KEYS)

    def admit(self, key: str, address: str) -> User:
        """Whose key it is.

        A right key is admitted also from an address that sent many wrong ones: behind one address
        there may be a whole ward.

        Raises:
            TurnedAway: Nobody's, or too often.
        """
        user = self._ring.user(key)
        if user is None:
            seconds = self._wrong.wait(network_of(address))
            raise too_often(seconds, "wrong keys") if seconds else wrong_key()
        seconds = self._asked.wait(user.name)
        if seconds:
            raise too_often(seconds, f"requests with the key of {user.name}")
        return user


class Gate:
    """Lets requests in, and writes down whose they are in `scope["state"]["user"]`.

    Args:
        keys: Of the server; None if it has none.
        stock_login: Whether MONAI Label's own authentication is on: then it decides.
        origins: Addresses of web pages that may ask a server without keys.
        prefix: Before the path of every route.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Keys | None,
        stock_login: bool,
        origins: Sequence[str],
        prefix: str = "",
    ) -> None:
        self._app = app
        self._strangers = UploadLimit(app, STRANGERS_MB)
        self._keys = keys
        self._stock_login = stock_login
        self._origins = origins
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; no route of this server is a websocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            user = await self._user(scope)
        except HTTPException as error:
            await reply(Request(scope), error)(scope, receive, send)
            return
        scope.setdefault("state", {})["user"] = user or NOBODY
        await (self._app if user else self._strangers)(scope, receive, send)

    async def _user(self, scope: Scope) -> User | None:
        """Whose request it is; None for a stranger's to a route that is open."""
        if ".." in scope["path"].split("/") or "\0" in scope["path"]:
            raise bad_path()
        if self._stock_login:
            return await run_in_threadpool(user_of_token, _bearer(Headers(scope=scope)))
        needed = role_for(scope["method"], self._route(scope))
        if needed is OPEN:
            return None
        if self._keys is None:
            check_local(scope, self._origins)
            return LOCAL
        return self._owner(scope, self._keys, needed)

    def _owner(self, scope: Scope, keys: Keys, needed: Role) -> User:
        headers = Headers(scope=scope)
        key = headers.get("x-api-key") or _bearer(headers)
        if not key:
            raise no_key()
        user = keys.admit(key, address_of(scope))
        if user.role < needed:
            raise not_allowed(user, needed)
        # nothing behind the door needs the key, and the proxy would hand it on to the archive
        scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() not in SECRET]
        return user

    def _route(self, scope: Scope) -> str:
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        return path.removeprefix(self._prefix)


def address_of(scope: Scope) -> str:
    """Where a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _bearer(headers: Headers) -> str:
    scheme, _, word = headers.get("authorization", "").partition(" ")
    return word.strip() if scheme.lower() == "bearer" else ""
