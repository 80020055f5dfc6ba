"""Fixtures: the host with and without views, and a scene alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import slicer

from tests.slicer_host import acting, guards, scene, window
from tests.slicer_host.application import Application
from tests.slicer_host.window import Host

window.publish()  # so that tests may import qt, ctk and what stands on them

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "plugin" / "Verisim"
PICTURES = ROOT / "build" / "plugin-pictures"


def _ended(running: Host) -> None:
    """Nothing that the application would only print may be left."""
    running.close()
    acting.settle(lambda: not guards.running_jobs(), seconds=3)
    problems = running.left_over()
    scene.end(running.app.world)
    del running
    gc.collect()  # or a thread of the next test would free this one's nodes
    assert problems == []


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A window with an empty panel and four views."""
    running = window.start(tmp_path)
    yield running
    _ended(running)


@pytest.fixture
def host_without_views(tmp_path: Path) -> Iterator[Host]:
    """As Slicer without its main window: `slicer.app.layoutManager()` is None."""
    running = window.start(tmp_path, views=False)
    yield running
    _ended(running)


@pytest.fixture
def mrml(tmp_path: Path) -> Iterator[scene.World]:
    """A scene with its logics and `slicer.app`, without a window."""
    guards.problems.clear()
    world = scene.begin(tmp_path)
    slicer.app = Application(world, tmp_path)
    yield world
    problems = list(guards.problems)
    scene.end(world)
    assert problems == []


@pytest.fixture
def pictures() -> Path:
    """Where pictures are kept to be looked at."""
    return PICTURES
