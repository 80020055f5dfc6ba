"""Clicks: points of the scene that say what belongs to a label and what does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import slicer

BELONGS, NOT = "Belongs", "DoesNotBelong"
"""Roles of the two lists of points."""

COLORS = {BELONGS: (0.2, 0.85, 0.3), NOT: (0.95, 0.25, 0.2)}
LABEL = "Verisim.Label"
"""Attribute of a list: which label its points are about."""


@dataclass(frozen=True)
class Click:
    """A point that a person placed.

    Args:
        place: In mm, RAS, as the views see it.
        label: What it is about.
        belongs: Whether it belongs to it.
    """

    place: tuple[float, float, float]
    label: str
    belongs: bool


def list_of(role: str, label: str, name: str) -> slicer.vtkMRMLMarkupsFiducialNode:
    """The list of points of a role and a label; made if there is none.

    Args:
        role: BELONGS or NOT.
        label: What the points are about.
        name: Of a new list, as the person sees it.
    """
    for node in lists():
        if node.GetAttribute("Verisim.Role") == role and node.GetAttribute(LABEL) == label:
            return node
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.SetAttribute("Verisim.Role", role)
    node.SetAttribute(LABEL, label)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSelectedColor(*COLORS[role])
    display.SetColor(*COLORS[role])
    # under the mouse, where each new point is, Slicer's own colour is green whatever the role
    display.SetActiveColor(*COLORS[role])
    display.SetTextScale(0)
    return node


def lists() -> tuple[slicer.vtkMRMLMarkupsFiducialNode, ...]:
    """All lists of clicks in the scene."""
    nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    return tuple(node for node in nodes if node.GetAttribute("Verisim.Role"))


def clicks() -> tuple[Click, ...]:
    """All clicks of the scene, list by list."""
    return tuple(click for node in lists() for click in _of(node))


def undo(node: slicer.vtkMRMLMarkupsFiducialNode) -> bool:
    """Take the last point of a list away; whether there was one."""
    count = node.GetNumberOfControlPoints()
    if count:
        node.RemoveNthControlPoint(count - 1)
    return bool(count)


def clear() -> None:
    """Take all clicks away."""
    for node in lists():
        node.RemoveAllControlPoints()


def place_in(node: slicer.vtkMRMLMarkupsFiducialNode) -> None:
    """The next click in a view becomes a point of this list."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
    selection.SetActivePlaceNodeID(node.GetID())
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    interaction.SetCurrentInteractionMode(interaction.Place)


def stop_placing() -> None:
    """Clicks in the views look around again."""
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)


def _of(node: slicer.vtkMRMLMarkupsFiducialNode) -> Sequence[Click]:
    found = []
    for k in range(node.GetNumberOfControlPoints()):
        if node.GetNthControlPointPositionStatus(k) == node.PositionDefined:
            place = [0.0, 0.0, 0.0]
            node.GetNthControlPointPositionWorld(k, place)
            belongs = node.GetAttribute("Verisim.Role") == BELONGS
            found.append(Click(tuple(place), node.GetAttribute(LABEL) or "", belongs))
    return found
