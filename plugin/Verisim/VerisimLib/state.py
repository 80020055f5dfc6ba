"""What is allowed and what is said, given what is known: no widget, no node, no server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from VerisimLib.answers import Info, Model

CONNECT = "Test the connection to a server first."
BUSY = "Something runs already; cancel it or wait."


def segment_block(
    info: Info | None, busy: bool, model: Model | None, volumes: Sequence[str]
) -> str:
    """Why nothing can be segmented now; empty if it can.

    Args:
        info: The server; None: none has answered.
        busy: Whether something runs.
        model: The chosen one.
        volumes: Names of the chosen volumes, empty where one is missing.
    """
    if info is None:
        return CONNECT
    if busy:
        return BUSY
    if model is None:
        return "The server offers no model that segments."
    missing = [name for name, volume in zip(model.channels, volumes) if not volume]
    if missing:
        return f"Choose a volume for: {', '.join(missing)}."
    doubled = len(set(volumes)) < len(volumes)
    return "Choose another volume for every channel." if doubled else ""


def make_block(info: Info | None, busy: bool, model: Model | None, labels: bool) -> str:
    """Why no case can be made now; empty if one can.

    Args:
        info: The server; None: none has answered.
        busy: Whether something runs.
        model: The chosen one.
        labels: Whether a label map is chosen.
    """
    if info is None:
        return CONNECT
    if busy:
        return BUSY
    if model is None:
        return "The server offers no model that makes cases."
    if not model.labels and not labels:
        return "This model needs a label map to paint: choose a segmentation."
    return ""


def audit_block(info: Info | None, busy: bool, chosen: Mapping[str, str]) -> str:
    """Why no audit can begin now; empty if one can.

    Args:
        info: The server; None: none has answered.
        busy: Whether something runs.
        chosen: What is chosen for synthetic, training and held-out; empty where nothing is.
    """
    if info is None:
        return CONNECT
    if busy:
        return BUSY
    missing = [name for name, value in chosen.items() if not value]
    if missing:
        return f"Choose: {', '.join(missing)}."
    if chosen.get("training set") == chosen.get("held-out set"):
        return "The held-out patients must not be the training patients."
    return ""


def model_text(model: Model | None) -> str:
    """What a person reads below the choice of models."""
    if model is None:
        return "Test the connection first: the models are the server's."
    labels = ", ".join(label.name for label in model.labels) or "any labels"
    seconds = f" About {model.seconds:.1f} s each on the server." if model.seconds else ""
    version = f" Version {model.version}." if model.version else ""
    return f"{model.description} Labels: {labels}.{seconds}{version}"


def answer_text(model: Model, told: Mapping[str, Any]) -> str:
    """What a person reads about a segmentation."""
    parts = [f"{model.name} is done."]
    expected = told.get("expected_dice") or {}
    if expected:
        listed = ", ".join(f"{name} {value:.2f}" for name, value in expected.items())
        parts.append(f"Expected Dice: {listed}.")
    parts += [str(warning) for warning in told.get("warnings") or ()]
    return " ".join(parts)


def estimate_text(model: Model | None, count: int, steps: int) -> str:
    """How long cases will take: steps cost time in proportion."""
    if model is None or not model.seconds:
        return ""
    usual = int(model.settings.get("steps") or 0)
    each = model.seconds * (steps / usual if steps and usual else 1.0)
    return f"about {max(1, round(count * each))} s"


def made_text(count: int, warnings: Sequence[str]) -> str:
    """What a person reads about cases that were made."""
    return " ".join([f"{count} synthetic case(s).", *warnings])


def verdict_rows(report: Mapping[str, Any]) -> list[tuple[str, str, float, float, float, str]]:
    """Case, verdict, score, p, q and nearest training case, the highest score first."""
    rows = []
    for case in sorted(report.get("cases", ()), key=lambda case: -float(case["score"])):
        own = next((s for s in case["sights"] if s["measure"] == case["measure"]), {})
        numbers = (short(float(case[name])) for name in ("score", "p", "q"))
        rows.append((case["name"], case["word"], *numbers, own.get("nearest", "")))
    return rows


def short(number: float) -> float:
    """Three figures are enough for the eye; the report has them all."""
    return float(f"{number:.3g}")


def scores_of(report: Mapping[str, Any]) -> tuple[list[float], list[float], float]:
    """Scores of synthetic and of held-out cases, and the lowest threshold."""
    synthetic = [float(case["score"]) for case in report.get("cases", ())]
    strata = report.get("strata", ())
    held_out = [float(score) for stratum in strata for score in stratum["held_out_scores"]]
    thresholds = [float(stratum["threshold"]) for stratum in strata]
    finite = [one for one in thresholds if abs(one) < float("inf")]
    return synthetic, held_out, min(finite, default=0.0)
