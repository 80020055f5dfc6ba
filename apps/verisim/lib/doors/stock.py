"""MONAI Label's own users, and ours as MONAI Label knows them."""

from __future__ import annotations

import logging

import requests
from jwt import InvalidTokenError
from monailabel.config import settings
from monailabel.endpoints.user.auth import User as StockUser
from monailabel.endpoints.user.auth import from_token

from lib.doors.who import Role, User

logger = logging.getLogger(__name__)

ROLES = {
    settings.MONAI_LABEL_AUTH_ROLE_USER: Role.READER,
    settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR: Role.ANNOTATOR,
    settings.MONAI_LABEL_AUTH_ROLE_REVIEWER: Role.ANNOTATOR,
    settings.MONAI_LABEL_AUTH_ROLE_ADMIN: Role.ADMIN,
}
"""Ours for each of MONAI Label's."""

UNKNOWN = User("unknown", Role.READER)
"""Whoever has no valid token; MONAI Label's routes turn them away."""


def user_of_token(token: str) -> User:
    """Whose token of MONAI Label's own authentication it is."""
    if not token:
        return UNKNOWN
    try:
        stock = from_token(token)
    except (InvalidTokenError, requests.RequestException, KeyError, ValueError) as error:
        logger.info("A token says not who sent it (%s)", type(error).__name__)
        return UNKNOWN
    roles = [ROLES[name] for name in stock.roles if name in ROLES]
    return User(stock.username or stock.name or UNKNOWN.name, max(roles, default=Role.READER))


def as_stock_user(user: User) -> StockUser:
    """One of our users, as MONAI Label's routes expect one."""
    roles = [name for name, role in ROLES.items() if role <= user.role]
    return StockUser(username=user.name, name=user.name, roles=roles)
