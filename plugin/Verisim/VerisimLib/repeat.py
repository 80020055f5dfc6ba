"""How to get the same result again without Slicer: the command that a person copies."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

SEGMENT = ("samples", "steps", "seed")
SYNTHESIZE = ("first", "seed", "steps", "guidance", "truncation")


def command(origin: Mapping[str, Any]) -> str:
    """The line of the command `verisim` that repeats a result.

    Args:
        origin: What was kept with the result: task, model, parameters, volume.
    """
    words = {"segment": _segment, "synthesize": _synthesize, "audit": _audit}
    task = str(origin.get("task", ""))
    if task not in words:
        return ""
    return shlex.join(["verisim", task, *words[task](origin)])


def origin(
    task: str, model: str, version: int, parameters: Mapping[str, Any], server: str, **more: object
) -> dict[str, Any]:
    """What is kept with a result.

    Args:
        task: segment, synthesize or audit.
        model: Its name.
        version: Of its weights.
        parameters: All that was asked, seeds included.
        server: Version of the server.
        more: volume, the channels after the first, their SHA-256, labels that were drawn, job.
    """
    asked = dict(parameters)
    return {
        "task": task,
        "model": model,
        "version": version,
        "parameters": asked,
        "server": server,
        **more,
    }


def _segment(origin: Mapping[str, Any]) -> list[str]:
    given = _options(origin, SEGMENT)
    mirror = _asked(origin).get("mirror")
    if mirror is not None:
        given.append("--mirror" if mirror else "--no-mirror")
    volumes = [origin.get("volume") or "volume", *origin.get("channels", ())]
    return [
        *(f"{volume}.nrrd" for volume in volumes),
        "--model",
        str(origin["model"]),
        *given,
        "-o",
        "label.nrrd",
    ]


def _synthesize(origin: Mapping[str, Any]) -> list[str]:
    given = _options(origin, SYNTHESIZE)
    for name, value in _asked(origin).get("attributes", {}).items():
        given += ["--attribute", f"{name}={value}"]
    count = str(_asked(origin).get("count", 1))
    labels = ["--labels", f"{origin['labels']}.nrrd"] if origin.get("labels") else []
    return [str(origin["model"]), "-n", count, *given, *labels, "-o", "synthetic"]


def _audit(origin: Mapping[str, Any]) -> list[str]:
    asked = _asked(origin)
    named = ["--train", str(asked["training"]), "--held-out", str(asked["held_out"])]
    model = ["--generator", str(asked["model"])] if asked.get("model") else []
    rest = _options(origin, ("level", "plants", "seed"))
    ticks = ["--stand-in"] if asked.get("stand_in") else []
    ticks += [] if asked.get("images") else ["--no-images"]
    return [*named, "--synthetic", "synthetic", *model, *rest, *ticks, "-o", "audit"]


def _asked(origin: Mapping[str, Any]) -> dict[str, Any]:
    return dict(origin.get("parameters") or {})


def _options(origin: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    asked = _asked(origin)
    return [word for name in names if name in asked for word in (f"--{name}", format(asked[name]))]
