"""A radiologist segments a hippocampus with the real server and its real models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer

from tests.plugin.conftest import MODULES
from tests.plugin.real_server import SAMPLE, Running, running
from tests.slicer_host.acting import Gaps, click, measured_gaps, picture, press, settle, write
from tests.slicer_host.window import Host
from VerisimLib.scene import segments


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def panel(host: Host, server: Running) -> object:
    """Connected, with the sample volume in the scene."""
    panel = host.load(MODULES / "VerisimSegment.py").panel
    write(panel.connection.ui.address, server.address)
    settle(lambda: panel.info is not None)
    volume = slicer.util.loadVolume(str(SAMPLE), {})
    panel.ui.volume.setCurrentNode(volume)
    return panel


def until_shown(panel: object, gaps: Gaps) -> list[float]:
    """The longest gap of upload, wait and download: until the result is put into the scene."""
    show, longest = panel.results.show, []

    def shown_now(result: object) -> None:
        longest.append(gaps.longest_ms)
        show(result)

    panel.results.show = shown_now
    return longest


def done(panel: object) -> bool:
    return not panel.work.busy


def test_a_volume_is_segmented(host: Host, panel: object, pictures: Path) -> None:
    panel.ui.model.currentText = "hippocampus-medsegdiff"
    picture(host.window, pictures / "segment-before.png")
    assert panel.ui.segmentButton.isEnabled(), panel.ui.segmentButton.toolTip
    with measured_gaps() as gaps:
        press(panel.ui.segmentButton)
        waited = until_shown(panel, gaps)
        settle(lambda: done(panel), 60)
    assert waited[0] < 50
    node = panel.results.segmentation
    assert node is not None, panel.work.ui.message.text
    picture(host.window, pictures / "segment-after.png")


def test_two_clicks_mend_the_result(host: Host, panel: object, pictures: Path) -> None:
    panel.ui.model.currentText = "hippocampus-unet"
    press(panel.ui.segmentButton)
    settle(lambda: done(panel), 60)
    before = shown(panel)
    red = host.layout.sliceWidget("Red").sliceView()
    for button, place in ((panel.ui.belongs, (150, 100)), (panel.ui.notBelongs, (250, 220))):
        press(button)
        click(red, *place)
        settle(lambda: done(panel) and not panel.clicks.waiting, 60)
    assert "2 click" in panel.ui.clickAbout.text, panel.work.ui.message.text
    assert (shown(panel) != before).any()
    picture(host.window, pictures / "clicks.png")
    press(panel.ui.undoClick)
    settle(lambda: done(panel), 60)
    press(panel.ui.undoClick)
    settle(lambda: done(panel), 60)
    assert (shown(panel) == before).all()


def shown(panel: object) -> np.ndarray:
    result = panel.results.result
    return segments.values(panel.results.segmentation, result.answer.model.labels, result.question)
