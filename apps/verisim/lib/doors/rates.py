"""How often somebody may ask."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST = 10_000
"""Names that are remembered; beyond them the one that was quiet for longest is forgotten."""

NETWORK = 64
"""Bits of an IPv6 address that belong to a household or ward; it may choose the others freely."""


@dataclass
class _Bucket:
    """What somebody may still ask at a time, seconds of the clock."""

    tokens: float
    at: float


class Rates:
    """A bucket of tokens for each name, filled at a steady rate; each request takes one.

    Used from the event loop alone, so it needs no lock.

    Args:
        per_second: Tokens that come back in a second.
        burst: Tokens of a full bucket.
        most: Names that are remembered.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, name: str) -> float:
        """Take a token: 0, or the seconds until there is one; then none is taken."""
        now = self._clock()
        bucket = self._buckets.pop(name, None) or _Bucket(self._burst, now)
        tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._per_second)
        allowed = tokens >= 1
        self._buckets[name] = _Bucket(tokens - 1 if allowed else tokens, now)  # the newest is last
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._per_second

    def __len__(self) -> int:
        return len(self._buckets)


def network_of(address: str) -> str:
    """Where a client is, as far as it cannot choose it: an IPv6 client has its whole network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address  # a socket of this machine
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, NETWORK), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
