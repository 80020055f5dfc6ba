"""Which case of the server a volume is."""

from __future__ import annotations

import re

import slicer

CASE = "Verisim.StudyCase"
"""Attribute of a volume that came from the server's studies, or went there."""


def keep(volume: slicer.vtkMRMLScalarVolumeNode, case: str) -> None:
    """Remember under which id the server knows a volume."""
    volume.SetAttribute(CASE, case)


def case_of(volume: slicer.vtkMRMLScalarVolumeNode) -> str:
    """The id under which the server knows a volume; empty: it does not."""
    return volume.GetAttribute(CASE) or ""


def name_of(volume: slicer.vtkMRMLScalarVolumeNode) -> str:
    """The id under which the server knows it, or would: letters, digits, dashes and dots."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", volume.GetName()).strip("._-")
    return case_of(volume) or plain or "case"
