"""MONAI Label's session API: uploads that expire."""

from __future__ import annotations

import re
import time
from pathlib import Path

from monailabel.utils.sessions import SessionInfo, Sessions

ID = re.compile(r"[0-9a-f-]{36}")


class SafeSessions(Sessions):
    """Sessions that are found by their id only, and not after they have expired."""

    def get_session(
        self, session_id: str, update_ts: bool = True, fetch_cache: bool = True
    ) -> SessionInfo | None:
        """The session, or None if there is none of that id any more."""
        if not ID.fullmatch(session_id):
            return None
        session = super().get_session(session_id, False, fetch_cache)
        if session is None:
            return None
        if _expired(session):
            self.remove_session(session_id)
            return None
        return super().get_session(session_id, update_ts, fetch_cache)

    def remove_expired(self) -> int:
        """Delete expired sessions; returns how many."""
        store = Path(self.store_path)
        names = [path.name for path in store.iterdir()] if store.is_dir() else []
        before = {name for name in names if ID.fullmatch(name)}
        alive = {name for name in before if self.get_session(name, update_ts=False)}
        return sum(not (store / name).exists() for name in before - alive)


def _expired(session: SessionInfo) -> bool:
    return 0 < session.expiry < time.time() - session.last_access_ts
