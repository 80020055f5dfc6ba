"""MONAI Label's session API: uploads that expire."""

from __future__ import annotations

import hashlib
import re
import threading
import time
import uuid
from pathlib import Path

from monailabel.utils.sessions import SessionInfo, Sessions

from verisim.errors import StorageFailed

ID = re.compile(r"[0-9a-f-]{36}")


class SafeSessions(Sessions):
    """Sessions that are found by their id only, and not after they have expired."""

    def __init__(self, store_path: str = "", expiry: int = 3600) -> None:
        super().__init__(store_path, expiry)
        self._same: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._reuse = threading.Lock()

    def opened(
        self, data_file: Path, content: str, expiry: int, user: str = ""
    ) -> tuple[str, SessionInfo]:
        """The live session of some content, or a new one into which a file or folder is moved.

        Args:
            content: Stands for who sends what; see `content_of`.
            user: Who sends it.

        Raises:
            StorageFailed: The disk refused; nothing is left behind.
        """
        with self._reuse:
            session_id = self._same.get(content, "")
            session = self.get_session(session_id)
            if session is None:
                # what is told of sessions that have ended is not kept for ever
                self._same = {was: one for was, one in self._same.items() if one in self}
                self._owners = {one: who for one, who in self._owners.items() if one in self}
                session_id, session = self.add_session(str(data_file), expiry)
                self._same[content] = session_id
                self._owners[session_id] = user
        return session_id, session

    def remove_of(self, user: str) -> int:
        """Delete the sessions that a user opened since the server started; returns how many."""
        with self._reuse:
            found = [one for one, owner in self._owners.items() if owner == user]
            for session_id in found:
                self._owners.pop(session_id)
                self.remove_session(session_id)
        return len(found)

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


def content_of(user: str, folder: Path, expiry: int) -> str:
    """What is the same only if the same user sends the same files for the same time."""
    digest = hashlib.sha256(f"{expiry} {user}".encode())
    for path in sorted(folder.iterdir()):
        digest.update(f"\n{path.name} ".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _expired(session: SessionInfo) -> bool:
    return 0 < session.expiry < time.time() - session.last_access_ts
