"""What can go wrong between the panel and the server, each with a remedy for the person."""

from __future__ import annotations


class Problem(Exception):
    """Something that a person has to know.

    Args:
        message: What happened, in one sentence.
        remedy: What to do about it, in one sentence.
        code: The server's word for it, if it has one.
    """

    def __init__(self, message: str, remedy: str, code: str = "") -> None:
        super().__init__(f"{message} {remedy}")
        self.message, self.remedy, self.code = message, remedy, code


class BadAddress(Problem):
    """The address is none."""


class NoSuchHost(Problem):
    """No machine has this name."""


class Refused(Problem):
    """The machine is there, but no server listens."""


class Untrusted(Problem):
    """The certificate is not one that this machine trusts."""


class TooSlow(Problem):
    """No answer in time."""


class Cut(Problem):
    """The connection ended before all had come."""


class WrongKey(Problem):
    """The key is missing, wrong, or allows less than was asked."""


class NoSuchRoute(Problem):
    """The server is another program, or an older one."""


class WrongVersion(Problem):
    """The server speaks another version."""


class Busy(Problem):
    """The server has no room for more now."""


class Rejected(Problem):
    """The server does not take what was sent."""


class ServerFault(Problem):
    """The server failed."""


class Odd(Problem):
    """An answer that nobody can read."""


class Stopped(Problem):
    """The person cancelled."""

    def __init__(self) -> None:
        super().__init__("Cancelled.", "Nothing was changed.")
