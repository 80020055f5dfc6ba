"""Devices by the names that clients use."""

from __future__ import annotations

from monailabel.utils.others.generic import name_to_device

from verisim import devices


def chosen_device(name: str) -> str:
    """Where to compute.

    Args:
        name: auto, cpu, cuda, cuda:0, … or what `/info/` calls a graphics card.

    Raises:
        BadInput: No such kind of device.
        Unavailable: This machine has no such device.
    """
    return devices.choose(name_to_device(name))
