"""Memory of a device: how much is free, when it ran out, and how it becomes free again."""

from __future__ import annotations

import ctypes
import errno
import gc
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

import psutil
import torch

from verisim.card import ModelCard
from verisim.errors import OutOfMemory
from verisim.free_memory import available_bytes
from verisim.volume import Volume, millimetres

SIGNS = re.compile(
    "out of memory"  # CUDA
    "|allocate memory"  # torch on the processor, and the operating system
    "|bad_alloc"  # C++
    "|ALLOC_FAILED"  # cuDNN and cuBLAS
    "|could not create a memory|could not execute a primitive"  # oneDNN
    "|could not create a primitive(?! desc)"  # without a descriptor it knows no such operation
)
"""What libraries say instead of an error of their own when memory ran out."""

THREAD_BYTES = 2**28
"""Without that much memory no thread is started."""

_KEEPING = (
    (-1, 2**31 - 1),  # M_TRIM_THRESHOLD: free memory at the end of the heap stays
    (-2, 2**24),  # M_TOP_PAD: the heap grows by so much
    (-3, 2**25),  # M_MMAP_THRESHOLD: smaller arrays lie in the heap; no more is allowed
    (-8, 1),  # M_ARENA_MAX: what one thread frees, another may use
)
"""What malloc.h of the GNU C library calls the settings, and their values."""

Answer = TypeVar("Answer")

_here = threading.local()


def ran_out(error: BaseException) -> bool:
    """Whether an error means that there was no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and SIGNS.search(str(error)) is not None


@contextmanager
def within_memory(volume: Volume, device: str) -> Iterator[None]:
    """Says in words that people understand that a volume does not fit.

    What the failed computation held is let go.

    Raises:
        OutOfMemory: Memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not ran_out(error):
            raise
        # the error would keep every array of every function that it came through
        traceback.clear_frames(error.__traceback__)
        release(device)
        raise OutOfMemory(
            f"A volume of {volume.spatial_shape} voxels and {millimetres(volume.extent_mm)} mm "
            f"does not fit into the memory of {device}.",
            "Crop it to the anatomy of interest, or use a device with more memory.",
        ) from error


def in_sound_thread(work: Callable[[], Answer]) -> Answer:
    """Do some work in this thread, or in another one where this one is spoilt.

    oneDNN writes machine code for each shape that it meets. A thread in which it once had no
    memory for that can never again meet a new shape, however much memory there is later.

    Raises:
        OutOfMemory: As the work does; if that spoilt the thread, the next work gets another.
        MemoryError: There is no room for another thread.
    """
    try:
        if not getattr(_here, "spoilt", False):
            return work()
        return _substitute().submit(copy_context().run, work).result()
    except OutOfMemory as error:
        if "could not create a primitive" in str(error.__cause__):
            _here.spoilt, _here.substitute = True, None
        raise


def _substitute() -> ThreadPoolExecutor:
    """Another thread that works for this one; the C library ends a program that has no room."""
    if getattr(_here, "substitute", None) is None:
        if free_bytes("cpu") < THREAD_BYTES:
            raise MemoryError("no room for another thread")
        _here.substitute = ThreadPoolExecutor(1, thread_name_prefix="sound")
    substitute: ThreadPoolExecutor = _here.substitute
    return substitute


def release(device: str) -> None:
    """Free what nobody can reach any more, then hand it back; takes a tenth of a second."""
    gc.collect()
    hand_back(device)


def hand_back(device: str) -> None:
    """Give memory that is free within this program to whoever wants it, other programs too."""
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
    _trim()


def keep_freed() -> None:
    """Keep what is freed for the next patch, until `hand_back` gives it to other programs.

    The C library of Linux would give the arrays of each patch back and ask for the same pages
    again, which costs a sixth of the time of a network. Nothing happens where it is another one.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter, value in _KEEPING:
            libc.mallopt(parameter, value)


def free_bytes(device: str) -> int:
    """What a device still has room for: what torch keeps for reuse counts as free."""
    if torch.device(device).type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    return min(available_bytes(), _allowed_bytes())


def needed_bytes(card: ModelCard, device: str) -> int:
    """What loading the networks of a card takes: on the processor they are read, then copied."""
    size = card.weights_path.stat().st_size if card.weights_path.is_file() else 0
    return size if torch.device(device).type == "cuda" else 2 * size


def _allowed_bytes() -> int:
    """What the operating system still allows this process (`ulimit -v`)."""
    if not hasattr(psutil, "RLIMIT_AS"):  # only Linux tells
        return sys.maxsize
    process = psutil.Process()
    limit = process.rlimit(psutil.RLIMIT_AS)[0]
    return sys.maxsize if limit < 0 else max(0, limit - process.memory_info().vms)


def _trim() -> None:
    """Hand freed memory back to Linux: its C library keeps what lies between pieces in use."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
