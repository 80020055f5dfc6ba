"""Nodes by their IDs and names, and what happens to them: what panels may know of the scene."""

from __future__ import annotations

from collections.abc import Callable

import slicer


def by_id(id_: str) -> slicer.vtkMRMLNode | None:
    """The node of an ID; None if it is gone."""
    return slicer.mrmlScene.GetNodeByID(id_) if id_ else None


def id_of(node: slicer.vtkMRMLNode | None) -> str:
    """The ID of a node; empty of none."""
    return (node.GetID() or "") if node is not None else ""


def name_of(node: slicer.vtkMRMLNode | None) -> str:
    """The name of a node; empty of none."""
    return (node.GetName() or "") if node is not None else ""


def there(node: slicer.vtkMRMLNode | None) -> bool:
    """Whether a node is still in the scene."""
    return node is not None and by_id(id_of(node)) is not None


def watch(node: slicer.vtkMRMLNode, event: int, heard: Callable[..., None]) -> int:
    """Call a function at every event of a node; returns the number of the observation."""
    return int(node.AddObserver(event, heard))


def unwatch(node: slicer.vtkMRMLNode, observation: int) -> None:
    """End an observation."""
    node.RemoveObserver(observation)
