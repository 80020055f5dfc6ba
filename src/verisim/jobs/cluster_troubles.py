"""What can go wrong with a cluster, in words."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from verisim.errors import Unavailable, VerisimError

logger = logging.getLogger(__name__)


def check_versions(worker: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """See that a worker understands what the server asks.

    Raises:
        Unavailable: It has another version of Verisim.
    """
    if theirs["verisim"] != ours["verisim"]:
        raise Unavailable(
            f"The worker at {worker} has Verisim {theirs['verisim']}, "
            f"this server {ours['verisim']}.",
            f"Install verisim=={ours['verisim']} there and start the worker again.",
        )
    if theirs != ours:
        logger.warning("The worker at %s has %s, this server %s.", worker, theirs, ours)


def no_worker(gpu: bool, seconds: float) -> Unavailable:
    """Nobody could do the job."""
    what = "worker with a GPU" if gpu else "worker"
    options = " --resources GPU=1" if gpu else ""
    return Unavailable(
        f"There was no {what} in the cluster for {seconds:g} s.",
        f"Start one with `dask worker ADDRESS --nthreads 1 --nworkers 1{options}`.",
    )


def cannot_begin(worker: str, error: BaseException) -> Unavailable:
    """The worker or the scheduler does not understand the task."""
    return Unavailable(
        f"The worker at {worker} cannot begin the job: {error}.",
        "Install the same version of Verisim on the scheduler and all workers.",
    )


DIED = "died"
LOST_TOUCH = "and this server lost touch"


def died_again(workers: list[str], how: str) -> VerisimError:
    """The last worker that a job was worth.

    Args:
        workers: All that it had.
        how: What became of the last.
    """
    if how == LOST_TOUCH:
        found = f"The worker at {workers[-1]} {how} for the second time during this job."
        return VerisimError(
            found, "Look at the network between them, and whether both are overloaded."
        )
    if len(set(workers)) == 1:
        found = f"The worker at {workers[0]} died twice during this job."
    else:
        found = f"The workers at {' and '.join(workers)} died during this job."
    return VerisimError(found, "Look into the log of the worker: it may need more memory.")


def no_scheduler(address: str, what: str) -> Unavailable:
    """The scheduler does not do its part."""
    return Unavailable(
        f"The scheduler at {address} {what.rstrip('.')}.",
        "Look whether `dask scheduler` runs there and VERISIM_SCHEDULER names it.",
    )
