"""Where a result comes from, kept with the node so that anybody can repeat it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import slicer

ATTRIBUTE = "Verisim.Origin"


def keep(node: slicer.vtkMRMLNode, origin: Mapping[str, Any]) -> None:
    """Keep model, version, seed, parameters and server with a node, as JSON."""
    node.SetAttribute(ATTRIBUTE, json.dumps(origin, sort_keys=True))


def of(node: slicer.vtkMRMLNode) -> dict[str, Any]:
    """What was kept with a node; nothing of a node that is not ours."""
    text = node.GetAttribute(ATTRIBUTE) if node is not None else None
    told = json.loads(text) if text else {}
    return told if isinstance(told, dict) else {}
