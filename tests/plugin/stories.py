"""What all stories with the real server begin with, and what they wait for."""

from __future__ import annotations

import numpy as np
import slicer

from tests.plugin.conftest import MODULES
from tests.plugin.real_data import SAMPLES
from tests.plugin.real_server import SAMPLE, Running
from tests.slicer_host.acting import press, settle
from tests.slicer_host.window import Host
from VerisimLib.cases import study
from VerisimLib.nrrd import Grid
from VerisimLib.panels.connection import kept_as
from VerisimLib.scene import segments, volumes

LONG = 60.0
"""Seconds for what the server does in one or two."""


def opened(host: Host, server: Running, module: str, key: str = "") -> object:
    """A panel that is connected."""
    panel = host.load(MODULES / f"{module}.py").panel
    panel.connection.ui.address.text = server.address
    said = tried(panel, key)
    assert said.startswith("Connected to Verisim"), said
    done(panel)
    return panel


def tried(panel: object, key: str = "") -> str:
    """Test the connection with a key; what is said about it."""
    ui = panel.connection.ui
    ui.apiKey.text = key
    press(ui.testButton)
    settle(lambda: ui.testButton.enabled, LONG)
    return str(ui.status.text)


def key_is_kept_and_forgotten(panel: object, key: str) -> None:
    """The computer keeps a key while its box is ticked."""
    ui = panel.connection.ui
    settings, place = slicer.app.userSettings(), kept_as(panel.connection.address)
    assert not settings.value(place)
    for kept in (key, ""):
        press(ui.rememberKey)
        assert tried(panel, key).startswith("Connected")
        assert (settings.value(place) or "") == kept
    tried(panel)  # or other stories would send it


def loaded(host: Host, server: Running) -> object:
    """The panel that segments, connected, with the sample volume in the scene."""
    panel = opened(host, server, "VerisimSegment")
    volume = slicer.util.loadVolume(str(SAMPLE), {})
    panel.ui.volume.setCurrentNode(volume)
    return panel


def done(panel: object, seconds: float = LONG) -> str:
    """Wait until nothing runs; what the panel says then."""
    settle(lambda: not panel.work.busy, seconds)
    return str(panel.work.ui.message.text)


def segmented(panel: object, model: str) -> object:
    """Ask a model about the chosen volume; the segmentation."""
    panel.ui.model.currentText = model
    assert panel.ui.segmentButton.isEnabled(), panel.ui.segmentButton.toolTip
    press(panel.ui.segmentButton)
    said = done(panel)
    assert panel.results.segmentation is not None, said
    return panel.results.segmentation


def shown(panel: object, node: object = None) -> np.ndarray:
    """The values (X, Y, Z) of the result, or of another segmentation of the same labels."""
    result = panel.results.result
    node = node or panel.results.segmentation
    return segments.values(node, result.answer.model.labels, result.question)


def made(
    host: Host, server: Running, seed: int, model: str = "hippocampus-diffusion", count: int = 2
) -> object:
    """The panel that synthesizes, with cases of a seed in the scene."""
    panel = opened(host, server, "VerisimSynthesize")
    panel.ui.model.currentText = model
    panel.ui.count.value, panel.ui.seed.value = count, seed
    press(panel.ui.makeButton)
    said = done(panel)
    assert panel.ui.thumbnails.count == count, said
    return panel


def drawn(name: str) -> object:
    """A segmentation that somebody has drawn: a sample case in a mirror, on voxels of its own."""
    grid = study(next((SAMPLES / "labelsTr").glob("*.nii.gz")).read_bytes())
    volume = volumes.added(Grid(np.zeros_like(grid.array, "i2"), grid.affine), f"{name} on this")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for value, label in enumerate(("anterior", "posterior"), start=1):
        node.GetSegmentation().AddEmptySegment(label, label)
        mask = (grid.array[::-1] == value).astype(np.uint8)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.T, node, label, volume)
    return node


def fold(panel: object, *boxes: tuple[object, object]) -> None:
    """Fold and unfold all boxes of a panel by their heads; what is inside goes and comes."""
    connection, work = panel.connection.ui, panel.work.ui
    first, last = (connection.connectionBox, connection.address), (work.workBox, work.message)
    for head, inside in (first, *boxes, last):
        press(head)
        assert not inside.isVisible()
        press(head)
        assert inside.isVisible()


def nodes(kind: str, part: str = "") -> list[object]:
    """The nodes of a class whose names hold some words."""
    return [n for n in slicer.util.getNodesByClass(f"vtkMRML{kind}Node") if part in n.GetName()]
