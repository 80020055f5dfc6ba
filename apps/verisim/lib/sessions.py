"""MONAI Label's session API: uploads that expire."""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path

from monailabel.utils.sessions import SessionInfo, Sessions

from verisim.errors import StorageFailed

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

    def add_session(
        self, data_file: str, expiry: int = 0, uncompress: bool = False, session_id: str = ""
    ) -> tuple[str, SessionInfo]:
        """Move a file or folder into a new session.

        Raises:
            StorageFailed: The disk refused; nothing is left behind.
        """
        session_id = session_id or str(uuid.uuid4())
        try:
            return super().add_session(data_file, expiry, uncompress, session_id)
        except OSError as error:
            self.remove_session(session_id)
            raise StorageFailed(
                f"The server cannot keep the session: {error.strerror or error}.",
                "Free some space in its folder of sessions.",
            ) from error

    def remove_expired(self) -> int:
        """Delete expired sessions; returns how many."""
        store = Path(self.store_path)
        names = [path.name for path in store.iterdir()] if store.is_dir() else []
        before = {name for name in names if ID.fullmatch(name)}
        alive = {name for name in before if self.get_session(name, update_ts=False)}
        return sum(not (store / name).exists() for name in before - alive)


def _expired(session: SessionInfo) -> bool:
    return 0 < session.expiry < time.time() - session.last_access_ts
