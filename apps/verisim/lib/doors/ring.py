"""The keys of the moment: a file that changes is read again, so that a key can be revoked."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from lib.doors.refusals import keys_unreadable
from lib.doors.who import User
from verisim.errors import BadInput
from verisim.keys import ENVIRONMENT, KeyEntry, all_keys, joined_keys, owner, parse_keys, read_keys

logger = logging.getLogger(__name__)

Signature = tuple[int, ...]


@dataclass(frozen=True)
class _Read:
    """What a file held when it looked like this; None if it could not be read."""

    signature: Signature
    entries: tuple[KeyEntry, ...] | None


class KeyRing:
    """The keys of a file and of the environment.

    Args:
        path: The file; None if there is none.
        environment: Lines that do not change while the server runs.

    Raises:
        BadInput: They cannot be read, or name somebody twice, or there are none.
    """

    def __init__(self, path: Path | None, environment: str = "") -> None:
        self._path = path
        self._fixed = parse_keys(environment, ENVIRONMENT)
        self._read = _Read(self._signature(), all_keys(path, environment))

    def user(self, key: str) -> User | None:
        """Whose key it is, or None.

        Raises:
            TurnedAway: The file has become unreadable. Nobody is let in then: the keys of before
                may hold the one that was to be revoked.
        """
        entries = self._entries()
        if entries is None:
            raise keys_unreadable()
        found = owner(entries, key)
        return User(found.name, found.role) if found else None

    def _entries(self) -> tuple[KeyEntry, ...] | None:
        signature = self._signature()  # before reading: a later change has another one
        if signature != self._read.signature:
            try:
                self._read = _Read(signature, self._joined())
                logger.info("The keys were read again")
            except BadInput as error:
                self._read = _Read(signature, None)
                logger.error("Nobody is let in until the keys are mended: %s", error)
        return self._read.entries

    def _joined(self) -> tuple[KeyEntry, ...]:
        return joined_keys(self._fixed, read_keys(self._path) if self._path else ())

    def _signature(self) -> Signature:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return (-1,)
        if found is None:
            return ()
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
