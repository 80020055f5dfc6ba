"""Where to compute."""

from __future__ import annotations

import torch

from verisim.errors import BadInput, Unavailable


def choose(name: str = "auto") -> str:
    """The device of that name; "auto" is the first GPU, or the processor without one.

    Raises:
        BadInput: No such kind of device.
        Unavailable: This machine has no such device.
    """
    if name == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadInput(f"There is no device {name!r}.", "Use auto, cpu or cuda:0.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Unavailable(
            f"The device {name!r} was asked for, but this machine has "
            f"{torch.cuda.device_count()} GPU(s).",
            "Use --device cpu; `verisim doctor` shows what torch sees.",
        )
    if device.type not in ("cpu", "cuda") or (device.type == "cpu" and device.index):
        raise BadInput(f"The device {name!r} is not supported.", "Use auto, cpu or cuda:0.")
    return "cpu" if device.type == "cpu" else str(device)
