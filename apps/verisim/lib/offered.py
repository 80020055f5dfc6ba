"""Tasks of MONAI Label for models that come and go while the server runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

Task = TypeVar("Task")


class Offered(Mapping[str, Task]):
    """One task for each model of the moment, made at its first use, and some that stay.

    Args:
        names: Tells the models of the moment.
        make: Makes the task of a model.
        others: Tasks of no model; listed last, since stock clients choose the first.
    """

    def __init__(
        self,
        names: Callable[[], tuple[str, ...]],
        make: Callable[[str], Task],
        others: Mapping[str, Task] | None = None,
    ) -> None:
        self._names = names
        self._make = make
        self._others = dict(others or {})
        self._made: dict[str, Task] = {}

    def __getitem__(self, name: str) -> Task:
        if name in self._others:
            return self._others[name]
        if name not in self._names():
            raise KeyError(name)
        if name not in self._made:
            self._made.setdefault(name, self._make(name))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._names(), *self._others))

    def __len__(self) -> int:
        return len(self._names()) + len(self._others)
