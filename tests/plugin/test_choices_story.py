"""What a person chose comes back with the scene; models of several channels have named slots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer

from tests.plugin.conftest import MODULES
from tests.plugin.fake_server import MODEL
from tests.plugin.geometry import turned
from tests.plugin.misbehaving import Fake, misbehaving
from tests.slicer_host.acting import picture, press, settle, write
from tests.slicer_host.window import Host
from VerisimLib.scene import segments

SAMPLED = {**MODEL, "config": {"samples": 4, "seed": 0}}
TWO = {**MODEL, "channels": ["T1", "FLAIR"]}
INFO = {
    "name": "Verisim",
    "version": "0.1.0",
    "models": {"one": MODEL, "sampled": SAMPLED, "two": TWO},
}


@pytest.fixture(scope="module")
def running() -> Iterator[Fake]:
    with misbehaving() as fake:
        yield fake


@pytest.fixture
def server(running: Fake) -> Fake:
    running.behave(info=INFO)
    return running


def connected(host: Host, server: Fake) -> object:
    panel = host.load(MODULES / "VerisimSegment.py").panel
    write(panel.connection.ui.address, server.address)
    settle(lambda: panel.info is not None)
    return panel


def a_volume(name: str, value: float = 3.0) -> object:
    array = np.random.default_rng(2).normal(value, 1, (8, 7, 6)).astype(np.float32)
    return slicer.util.addVolumeFromArray(array, turned(), name)


@pytest.mark.parametrize("ending", ["mrb", "mrml"])
def test_choices_come_back_with_the_scene(
    host: Host, server: Fake, tmp_path: Path, ending: str
) -> None:
    panel = connected(host, server)
    a_volume("another")
    volume = a_volume("brain")
    panel.ui.volume.setCurrentNode(volume)
    panel.ui.model.currentText = "sampled"
    panel.ui.other.currentText = "one"
    panel.ui.samples.value, panel.ui.seed.value = 7, 42
    path = tmp_path / f"scene.{ending}"
    if ending == "mrml":
        assert slicer.util.saveNode(volume, str(tmp_path / "brain.nrrd"), {})
    assert slicer.util.saveScene(str(path), {})
    panel.ui.model.currentText = "two"
    panel.ui.other.currentText = "none"
    panel.ui.samples.value, panel.ui.seed.value = 1, 0
    slicer.mrmlScene.Clear(0)
    assert panel.ui.volume.currentNode() is None
    slicer.util.loadScene(str(path), {})
    ui = panel.ui
    assert (ui.model.currentText, ui.other.currentText) == ("sampled", "one")
    assert (ui.samples.value, ui.seed.value) == (7, 42)
    assert ui.volume.currentNode().GetName() == "brain"


def test_a_scene_that_comes_before_the_server_is_remembered(
    host: Host, server: Fake, tmp_path: Path
) -> None:
    panel = connected(host, server)
    panel.ui.model.currentText = "two"
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"), {})
    host.close()
    slicer.mrmlScene.Clear(1)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"), {})
    again = host.load(MODULES / "VerisimSegment.py").panel
    assert again.ui.model.currentText == ""
    write(again.connection.ui.address, server.address)
    settle(lambda: again.info is not None)
    assert again.ui.model.currentText == "two"


def test_closing_the_scene_keeps_what_is_no_node(host: Host, server: Fake) -> None:
    panel = connected(host, server)
    panel.ui.volume.setCurrentNode(a_volume("brain"))
    panel.ui.model.currentText = "sampled"
    panel.ui.seed.value = 5
    slicer.mrmlScene.Clear(0)
    assert (panel.ui.model.currentText, panel.ui.seed.value) == ("sampled", 5)
    panel.ui.seed.value = 0
    panel.scene_loaded()
    assert panel.ui.seed.value == 0


def test_several_channels_have_named_slots_and_are_sent_as_one_list(
    host: Host, server: Fake, pictures: Path
) -> None:
    panel = connected(host, server)
    ui = panel.ui
    first, second = a_volume("t1"), a_volume("flair", 9.0)
    ui.volume.setCurrentNode(first)
    ui.model.currentText = "one"
    assert not ui.channel2.isVisible()
    ui.model.currentText = "two"
    assert (ui.channel2.isVisible(), ui.channel2Label.text) == (True, "FLAIR:")
    assert (ui.channel3.isVisible(), ui.channel4.isVisible()) == (False, False)
    ui.channel2.setCurrentNode(None)
    assert "Choose a volume for: FLAIR." in ui.segmentButton.toolTip
    ui.channel2.setCurrentNode(first)
    assert "another volume for every channel" in ui.segmentButton.toolTip
    ui.channel2.setCurrentNode(second)
    picture(host.window, pictures / "channels.png")
    press(ui.segmentButton)
    settle(lambda: not panel.work.busy)
    assert panel.results.segmentation is not None, panel.work.ui.message.text
    result = panel.results.result
    assert result.question.grid.array.shape == (2, 6, 7, 8)
    found = segments.values(
        panel.results.segmentation, result.answer.model.labels, result.question
    )
    t1 = slicer.util.arrayFromVolume(first).T
    assert np.array_equal(found > 0, t1 > t1.mean())


def test_channels_that_lie_apart_are_not_sent(host: Host, server: Fake) -> None:
    panel = connected(host, server)
    first, second = a_volume("t1"), a_volume("flair")
    second.SetOrigin(1, 2, 3)
    panel.ui.model.currentText = "two"
    panel.ui.volume.setCurrentNode(first)
    panel.ui.channel2.setCurrentNode(second)
    press(panel.ui.segmentButton)
    assert "flair does not lie on the voxels of t1. Resample" in panel.work.ui.message.text
    assert server.seen() == ["GET /info/"]
