"""What a person chose in a panel, kept in the scene: a saved scene brings it back."""

from __future__ import annotations

from collections.abc import Mapping

import slicer

CHOICES = "choices"
"""Parameter of the module's node: JSON."""


def settled() -> bool:
    """Whether no scene is closed or loaded at this moment: then choices are a person's."""
    scene = slicer.mrmlScene
    return not (scene.IsClosing() or scene.IsImporting())


def keep(module: str, text: str, nodes: Mapping[str, str]) -> None:
    """Keep choices.

    Args:
        module: Whose; each has one node.
        text: JSON.
        nodes: IDs of chosen nodes by their roles; empty: none is chosen.
    """
    node = _of(module) or _made(module)
    node.SetParameter(CHOICES, text)
    for role, id_ in nodes.items():
        node.SetNodeReferenceID(role, id_ or None)


def text_of(module: str) -> str:
    """The JSON that was kept; empty if nothing was."""
    node = _of(module)
    return (node.GetParameter(CHOICES) or "") if node is not None else ""


def node_of(module: str, role: str) -> str:
    """ID of the node that was chosen for a role; empty if there is none any more."""
    node = _of(module)
    chosen = node.GetNodeReference(role) if node is not None else None
    return str(chosen.GetID()) if chosen is not None else ""


def _of(module: str) -> slicer.vtkMRMLScriptedModuleNode | None:
    return slicer.mrmlScene.GetSingletonNode(module, "vtkMRMLScriptedModuleNode")


def _made(module: str) -> slicer.vtkMRMLScriptedModuleNode:
    node = slicer.vtkMRMLScriptedModuleNode()
    node.SetSingletonTag(module)
    node.SetModuleName(module)
    node.SetName(module)
    return slicer.mrmlScene.AddNode(node)
