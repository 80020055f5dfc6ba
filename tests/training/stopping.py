"""A person who stops a training."""

from __future__ import annotations

from dataclasses import dataclass

from verisim.errors import Cancelled


@dataclass(frozen=True)
class Stop:
    """Progress that cancels a training before one of its steps.

    Args:
        iterations: Of the training; other work may have steps, too.
        step: Which.
    """

    iterations: int
    step: int

    def advance(self, done: int, total: int, message: str = "") -> None:
        """See `Progress`."""
        if total == self.iterations and done == self.step:
            raise Cancelled("Enough.", "Go on later.")
