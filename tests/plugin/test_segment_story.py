"""A radiologist segments a hippocampus with the real server and its real models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import slicer

from tests.plugin.conftest import MODULES
from tests.plugin.real_server import PHANTOM, Running, running
from tests.slicer_host.acting import measured_gaps, picture, press, settle, write
from tests.slicer_host.window import Host


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def panel(host: Host, server: Running) -> object:
    """Connected, with the phantom in the scene."""
    panel = host.load(MODULES / "VerisimSegment.py").panel
    write(panel.connection.ui.address, server.address)
    settle(lambda: panel.info is not None)
    volume = slicer.util.loadVolume(str(PHANTOM), {})
    panel.ui.volume.setCurrentNode(volume)
    return panel


def done(panel: object) -> bool:
    return not panel.work.busy


def test_a_volume_is_segmented(host: Host, panel: object, pictures: Path) -> None:
    panel.ui.model.currentText = "hippocampus-medsegdiff"
    picture(host.window, pictures / "segment-before.png")
    assert panel.ui.segmentButton.isEnabled(), panel.ui.segmentButton.toolTip
    with measured_gaps() as gaps:
        press(panel.ui.segmentButton)
        settle(lambda: done(panel), 60)
    print(
        "longest gap",
        gaps.longest_ms,
        panel.ui.message.text if hasattr(panel.ui, "message") else panel.work.ui.message.text,
    )
    node = panel.results.segmentation
    assert node is not None, panel.work.ui.message.text
    picture(host.window, pictures / "segment-after.png")
