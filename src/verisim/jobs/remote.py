"""An attempt at a job on a worker, as the server sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from verisim.errors import StorageFailed
from verisim.jobs.models_along import Weights
from verisim.jobs.parcels import Parcel, add_piece, check, pieces_of
from verisim.jobs.scheduler import Gone, Scheduler
from verisim.jobs.visit import GONE, Order, give, go, lacks, take, tell_all


@dataclass(frozen=True)
class Remote:
    """The other end of a conversation.

    Args:
        scheduler: The line.
        worker: Address.
        visit: Of the attempt there.
        between: Called between two pieces of a file; ends the transfer by raising.
    """

    scheduler: Scheduler
    worker: str
    visit: str
    between: Callable[[], None]

    def send_folder(self, room: str, folder: Path) -> tuple[Parcel, ...]:
        """Send all files below a folder.

        Raises:
            Gone: The worker does not answer.
            StorageFailed: Its disk refused.
        """
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return tuple(
            self.send_file(room, folder, path.relative_to(folder).as_posix()) for path in found
        )

    def send_file(self, room: str, folder: Path, name: str) -> Parcel:
        """Send one file; see `send_folder`."""
        digest, offset = hashlib.sha256(), 0
        for piece in pieces_of(folder, name):
            self._expect(
                self.scheduler.ask(self.worker, take, self.visit, room, name, offset, piece)
            )
            digest.update(piece)
            offset += len(piece)
            self.between()
        return Parcel(name, offset, digest.hexdigest())

    def fetch(self, room: str, parcels: Sequence[Parcel], folder: Path) -> None:
        """Fetch files into a folder.

        Raises:
            Gone: The worker does not answer.
            StorageFailed: A disk refused, or a file arrived damaged.
        """
        try:
            for parcel in parcels:
                self._fetch_file(room, parcel, folder)
        except OSError as error:
            raise StorageFailed(
                f"The server has no room for what the worker made: {error.strerror or error}.",
                "Free some space in its folder of jobs.",
            ) from error
        check(folder, parcels)

    def lacks(self, weights: Sequence[Weights]) -> list[Weights]:
        """The weights that must be sent.

        Raises:
            Gone: The worker does not answer.
        """
        found = self.scheduler.ask(self.worker, lacks, self.visit, tuple(weights))
        if isinstance(found, str):
            raise self._trouble(found)
        return found

    def begin(self, order: Order) -> None:
        """Let the work begin.

        Raises:
            Gone: The worker does not answer.
        """
        self._expect(self.scheduler.ask(self.worker, go, self.visit, order))

    def tell(self, what: str) -> None:
        """Tell it "stop", "fetched" or "saved", or that we live.

        Raises:
            Gone: The worker does not answer.
        """
        self._expect(self.scheduler.ask(self.worker, tell_all, self.visit, what))

    def _fetch_file(self, room: str, parcel: Parcel, folder: Path) -> None:
        add_piece(folder, parcel.name, 0, b"")
        offset = 0
        while offset < parcel.size:
            piece = self.scheduler.ask(self.worker, give, self.visit, room, parcel.name, offset)
            if isinstance(piece, str):
                raise self._trouble(piece)
            if not piece:  # shorter than announced: the check will tell
                return
            add_piece(folder, parcel.name, offset, piece)
            offset += len(piece)
            self.between()

    def _expect(self, trouble: str) -> None:
        if trouble:
            raise self._trouble(trouble)

    def _trouble(self, trouble: str) -> Exception:
        if trouble == GONE:
            return Gone(f"{self.worker} does not know the attempt any more.")
        return StorageFailed(
            f"The worker at {self.worker} cannot keep or read the files of the job ({trouble}).",
            "Look whether its disk is full.",
        )
