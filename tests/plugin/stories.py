"""What all stories with the real server begin with, and what they wait for."""

from __future__ import annotations

import numpy as np
import slicer

from tests.plugin.conftest import MODULES
from tests.plugin.real_server import SAMPLE, Running
from tests.slicer_host.acting import press, settle
from tests.slicer_host.window import Host
from VerisimLib.scene import segments

LONG = 60.0
"""Seconds for what the server does in one or two."""


def opened(host: Host, server: Running, module: str) -> object:
    """A panel that is connected."""
    panel = host.load(MODULES / f"{module}.py").panel
    panel.connection.ui.address.text = server.address
    press(panel.connection.ui.testButton)
    settle(lambda: panel.info is not None and not panel.work.busy)
    return panel


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


def nodes(kind: str, part: str = "") -> list[object]:
    """The nodes of a class whose names hold some words."""
    return [n for n in slicer.util.getNodesByClass(f"vtkMRML{kind}Node") if part in n.GetName()]
