"""Who may use a route: MONAI Label's own roles, also for the routes that replace its own."""

from __future__ import annotations

from fastapi import Depends, params
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC


def user() -> params.Depends:
    """Anybody who is logged in."""
    return _role(settings.MONAI_LABEL_AUTH_ROLE_USER)


def annotator() -> params.Depends:
    """Who may add images and labels."""
    return _role(settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR)


def admin() -> params.Depends:
    """Who may train."""
    return _role(settings.MONAI_LABEL_AUTH_ROLE_ADMIN)


def _role(name: str) -> params.Depends:
    dependency: params.Depends = Depends(RBAC(name))
    return dependency
