"""Logging in as MONAI Label's clients do: any name, and the key as the password."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from monailabel.endpoints.user.auth import Token
from monailabel.endpoints.user.auth import User as StockUser

from lib.doors.gate import Keys, address_of
from lib.doors.stock import as_stock_user
from lib.doors.who import user_of


def routes(keys: Keys) -> APIRouter:
    """The routes, in the shapes of MONAI Label's own."""

    async def token(request: Request, password: Annotated[str, Form()]) -> Token:
        """The key itself is the token, if it is right."""
        keys.admit(password, address_of(request.scope))
        return Token(access_token=password, token_type="bearer")

    router = APIRouter(prefix="/auth", tags=["Auth"])
    router.add_api_route("/", enabled, methods=["GET"], summary="Check If Auth is Enabled")
    router.add_api_route("/token", token, methods=["POST"], summary="Log in with a key")
    router.add_api_route(
        "/token/valid", valid, methods=["GET"], summary="Check If current token is Valid"
    )
    return router


async def enabled() -> dict[str, Any]:
    """This server asks for keys."""
    return {"enabled": True, "client_id": "verisim", "realm": ""}


async def valid(request: Request) -> StockUser:
    """Who logged in."""
    return as_stock_user(user_of(request))
