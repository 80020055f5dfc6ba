"""Threads of the jobs' own: those of the requests may all wait for a device."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lib.watch.context import carried

Answer = TypeVar("Answer")

_looks = ThreadPoolExecutor(4, "job-looks")
_deeds = ThreadPoolExecutor(8, "job-deeds")


async def look(work: Callable[[], Answer]) -> Answer:
    """Read something small, elsewhere than where all requests are served."""
    return await asyncio.get_running_loop().run_in_executor(_looks, carried(work))


async def do(work: Callable[[], Answer]) -> Answer:
    """Do something that may take its time, such as keeping an upload."""
    return await asyncio.get_running_loop().run_in_executor(_deeds, carried(work))
