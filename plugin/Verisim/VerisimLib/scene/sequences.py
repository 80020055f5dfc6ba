"""Several masks of one volume as a sequence that a person scrubs through."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

from VerisimLib.answers import Label
from VerisimLib.nrrd import Grid
from VerisimLib.scene import segments
from VerisimLib.scene.volumes import Sent


def scrubbed(
    grids: Sequence[Grid], labels: Sequence[Label], name: str, question: Sent
) -> slicer.vtkMRMLSequenceBrowserNode:
    """A sequence of segmentations beside the volume; its browser shows one of them.

    Args:
        grids: Values (X, Y, Z) of each sample.
        labels: What the values mean.
        name: Of the sequence.
        question: What was asked.
    """
    scene = slicer.mrmlScene
    shown = segments.added(grids[0], labels, name, question)
    shown.GetDisplayNode().SetVisibility2DFill(False)  # an outline over the filled result
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", f"{name} (samples)")
    sequence.SetIndexName("sample")
    sequence.SetIndexUnit("")
    sequence.SetIndexTypeFromString("numeric")
    for k, grid in enumerate(grids, start=1):
        segments.filled(shown, grid.array, labels, question)
        sequence.SetDataNodeAtValue(shown, str(k))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{name} (browser)")
    waiting = browser.StartModify()  # or Slicer at once makes a proxy of its own, which stays
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.AddProxyNode(shown, sequence, False)
    browser.SetSelectedItemNumber(0)
    browser.EndModify(waiting)
    return browser


def choose(browser: slicer.vtkMRMLSequenceBrowserNode, number: int) -> None:
    """Show one sample; the first is number 1."""
    browser.SetSelectedItemNumber(number - 1)
    logic = slicer.modules.sequences.logic()
    logic.UpdateProxyNodesFromSequences(browser)
