"""Keys for the server: a long random word for each person, of which only a hash is kept.

A key is 256 random bits, so nobody can try all of them and plain SHA-256 hides it; slow hashes
such as scrypt are for words that people think of, and here would only let a stranger who sends
wrong keys keep the server busy.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from verisim.errors import BadInput, Conflict, StorageFailed

ENVIRONMENT = "VERISIM_API_KEYS"
"""Environment variable that may hold the lines of a file of keys, also with `;` between them."""

PREFIX = "verisim_"
"""How keys begin, so that people and secret scanners know one when they see it."""

KEY = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")
NAME = re.compile(r"\w[\w.@+-]{0,63}")
HASH = re.compile(r"sha256:[0-9a-f]{64}")

FORM = "Each line holds a name, a role and a hash; `verisim key NAME --role ROLE` makes one."
OWNER_ONLY = 0o600


class Role(IntEnum):
    """What the owner of a key may do; each role may do all that the ones before it may."""

    READER = 1
    ANNOTATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """How it is written in a file of keys."""
        return self.name.lower()


@dataclass(frozen=True)
class KeyEntry:
    """What the server knows of a key.

    Args:
        name: Of its owner.
        role: What the owner may do.
        hashed: The hash of the key.
    """

    name: str
    role: Role
    hashed: str

    @property
    def line(self) -> str:
        """The entry as a line of a file of keys."""
        return f"{self.name} {self.role.word} {self.hashed}"


def new_key(name: str, role: str) -> tuple[str, KeyEntry]:
    """A new random key and its entry.

    Args:
        role: reader, annotator or admin.

    Raises:
        BadInput: The name is no plain word, or there is no such role.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    return key, KeyEntry(_checked_name(name), role_named(role), hash_of(key))


def hash_of(key: str) -> str:
    """What is kept of a key."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def role_named(word: str) -> Role:
    """The role of that name.

    Raises:
        BadInput: There is none.
    """
    roles = {role.word: role for role in Role}
    if word not in roles:
        raise BadInput(f"There is no role {word[:40]!r}.", f"Choose one of: {', '.join(roles)}.")
    return roles[word]


def owner(entries: Sequence[KeyEntry], key: str) -> KeyEntry | None:
    """Whose key it is, or None; takes equally long for every key of the right form."""
    if not KEY.fullmatch(key):
        return None  # a word that somebody thought of is no key, even if its hash is listed
    hashed = hash_of(key).encode()
    found = None
    for entry in entries:  # all of them: an early end would tell how far it went
        if hmac.compare_digest(hashed, entry.hashed.encode()):
            found = entry
    return found


def parse_keys(text: str, source: str) -> tuple[KeyEntry, ...]:
    """The entries of a file of keys; empty lines and those that begin with # are skipped.

    Args:
        source: What to call the text in an error.

    Raises:
        BadInput: A line that is no entry, an unknown role, a name or key that appears twice.
    """
    entries = tuple(_entries(text, source))
    _check_twice([entry.name for entry in entries], source, "name")
    _check_twice([entry.hashed for entry in entries], source, "hash")
    return entries


def read_keys(path: Path) -> tuple[KeyEntry, ...]:
    """The entries of a file.

    Raises:
        BadInput: It cannot be read, or `parse_keys` refuses it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise BadInput(f"The file of keys {path.name} cannot be read: {reason}.", FORM) from error
    return parse_keys(text, path.name)


def joined_keys(*parts: Sequence[KeyEntry]) -> tuple[KeyEntry, ...]:
    """The entries of several sources.

    Raises:
        BadInput: A name or key appears twice.
    """
    entries = tuple(entry for part in parts for entry in part)
    _check_twice([entry.name for entry in entries], "The list of keys", "name")
    _check_twice([entry.hashed for entry in entries], "The list of keys", "hash")
    return entries


def all_keys(path: Path | None, environment: str) -> tuple[KeyEntry, ...]:
    """The entries of a file, if there is one, and of the lines in the environment.

    Raises:
        BadInput: They cannot be read, somebody is named twice, or a source is given but empty.
    """
    entries = joined_keys(
        parse_keys(environment, ENVIRONMENT), () if path is None else read_keys(path)
    )
    if not entries and (path is not None or environment):
        where = path.name if path else ENVIRONMENT
        raise BadInput(f"{where} holds no key.", "Make one: verisim key NAME --role admin.")
    return entries


def append_key(path: Path, entry: KeyEntry) -> None:
    """Add an entry to a file, which is made if there is none; only its owner may read it.

    Raises:
        Conflict: The name is taken.
        BadInput: The file holds other things than keys.
        StorageFailed: The disk refused; what the file held is intact.
    """
    known = read_keys(path) if path.exists() else ()
    if entry.name in {other.name for other in known}:
        raise Conflict(
            f"{path.name} holds a key of {entry.name!r} already.",
            "Choose another name, or remove the old line to revoke that key.",
        )
    _append(path, f"{entry.line}\n")


def _append(path: Path, line: str) -> None:
    """Add a line in place: a file that is moved there would have another owner."""
    try:
        path.touch(OWNER_ONLY)
        size = path.stat().st_size
        with path.open("r+b", buffering=0) as file:
            file.seek(max(0, size - 1))
            begun = file.read(1) not in (b"", b"\n")
            written = file.write(b"\n" * begun + line.encode())
            if written < len(line) + begun:
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise StorageFailed(
            f"{path} cannot be written: {error.strerror}.",
            "Choose a file that you may write to, on a disk with room.",
        ) from error


def _entries(text: str, source: str) -> Iterator[KeyEntry]:
    for number, line in enumerate(re.split(r"[\n;]", text), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            yield _entry(words)
        except BadInput as error:
            raise BadInput(f"{source}, line {number}: {error.message}", error.remedy) from error


def _entry(words: Sequence[str]) -> KeyEntry:
    if len(words) != 3:
        raise BadInput(f"{len(words)} words, not 3.", FORM)
    name, role, hashed = words
    if not HASH.fullmatch(hashed):
        raise BadInput("The third word is no hash, sha256: and 64 digits and letters a-f.", FORM)
    return KeyEntry(_checked_name(name), role_named(role), hashed)


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{name[:40]!r} is no name for a key.", "Use letters, digits and .@+-_, at most 64."
        )
    return name


def _check_twice(words: Sequence[str], source: str, kind: str) -> None:
    twice = next((word for n, word in enumerate(words) if word in words[:n]), None)
    if twice is not None:
        raise BadInput(
            f"{source} holds the {kind} {twice!r} twice.", "Give everybody a key of their own."
        )
