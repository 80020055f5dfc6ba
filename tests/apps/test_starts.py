"""Answers that are kept for clicks: bounded, private, and made once."""

from __future__ import annotations

import threading
import time

import numpy as np

from lib.starts import UNUSED_SECONDS, Start, Starts, Wanted
from verisim.refinement import as_segmentation
from verisim.rescue import Attempt, Rescued
from verisim.volume import LabelMap, Volume

BYTES = 1000 * 5
"""Of one start: four bytes a voxel of the image, one of the label map."""


def a_start() -> Start:
    array = np.zeros((10, 10, 10), np.float32)
    label_map = LabelMap(array.astype(np.uint8), np.eye(4), {"a": 1})
    rescued = Rescued(as_segmentation(label_map), Attempt("cpu"), 1, ())
    return Start(Volume(array, np.eye(4)), rescued, new=True)


def wanted(name: str, user: str = "anna") -> Wanted:
    return Wanted(user, name, ())


def test_what_is_kept_is_made_once_and_told_to_be_kept() -> None:
    starts, made = Starts(10 * BYTES), list[Start]()

    def make() -> Start:
        made.append(a_start())
        return made[-1]

    assert starts.get(wanted("x"), make).new
    assert not starts.get(wanted("x"), make).new
    assert len(made) == 1


def test_those_unused_for_longest_leave_first() -> None:
    starts = Starts(2 * BYTES)
    for name in ("x", "y", "x", "z"):  # y is unused for longest when z comes
        starts.get(wanted(name), a_start)
    assert not starts.get(wanted("x"), a_start).new
    assert starts.get(wanted("y"), a_start).new


def test_what_is_too_large_is_answered_and_not_kept() -> None:
    starts = Starts(BYTES - 1)
    assert starts.get(wanted("x"), a_start).new
    assert starts.get(wanted("x"), a_start).new


def test_what_nobody_used_for_long_leaves() -> None:
    now = [0.0]
    starts = Starts(10 * BYTES, lambda: now[0])
    starts.get(wanted("x"), a_start)
    now[0] = UNUSED_SECONDS + 1
    assert starts.get(wanted("x"), a_start).new


def test_users_are_apart_and_can_be_forgotten() -> None:
    starts = Starts(10 * BYTES)
    starts.get(wanted("x"), a_start)
    assert starts.get(wanted("x", "ben"), a_start).new
    assert starts.forget("anna") == 1
    assert starts.get(wanted("x"), a_start).new
    assert not starts.get(wanted("x", "ben"), a_start).new


def test_those_who_ask_at_once_wait_for_one_answer() -> None:
    starts, made = Starts(10 * BYTES), list[int]()

    def slow() -> Start:
        made.append(1)
        time.sleep(0.1)
        return a_start()

    threads = [threading.Thread(target=starts.get, args=(wanted("x"), slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
