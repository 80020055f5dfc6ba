"""Fixtures: the host with and without views, and a scene alone."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import slicer

from tests.plugin.real_data import data_sets, further_models
from tests.plugin.real_server import Running, running
from tests.slicer_host import acting, guards, scene, window
from tests.slicer_host.application import Application
from tests.slicer_host.window import Host

window.publish()  # so that tests may import qt, ctk and what stands on them

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "plugin" / "Verisim"
PICTURES = ROOT / "build" / "plugin-pictures"

EVERY_BUTTON = "test_every_button.py"
"""Looks at what all other tests have clicked."""

CLICKED: set[str] = set()
"""Places of the buttons that passed tests have clicked while the real server ran."""

PASSED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The look at all that was clicked comes last."""
    items.sort(key=lambda item: item.path.name == EVERY_BUTTON)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, object, object]:
    """Remembers whether a test has passed."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(autouse=True)
def _clicks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps what a test has clicked, if it had the real server and passed."""
    named = "server" in request.fixturenames
    real = named and isinstance(request.getfixturevalue("server"), Running)
    acting.clicked.clear()
    yield
    if real and request.node.stash.get(PASSED, False):
        CLICKED.update(acting.clicked)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The real one, for all stories that leave its studies and models as they are."""
    folder = tmp_path_factory.mktemp("server")
    options = (
        *("--conf", f"datasets={data_sets(folder / 'datasets')}"),
        *("--models", str(further_models(folder / "models"))),
    )
    with running(folder / "running", *options) as one:
        yield one


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
