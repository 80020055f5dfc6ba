"""What the server tells, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from VerisimLib.problems import Odd


@dataclass(frozen=True)
class Label:
    """A label of a model.

    Args:
        name: What it shows.
        value: In label maps.
        color: Red, green and blue, 0 to 1; None: the viewer chooses.
    """

    name: str
    value: int
    color: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Model:
    """What a person chooses.

    Args:
        name: Its name in requests.
        kind: "segmentation", or "others" for one that makes cases.
        description: One sentence.
        labels: What it finds or makes.
        channels: Images that it needs, in order.
        version: Of its weights; 0 where the server tells none.
        seconds: Of a volume on the server's processor; 0 where unknown.
        settings: What may be asked of it, with what happens otherwise.
        attributes: What may be asked of the cases that it makes: a name and its values.
    """

    name: str
    kind: str
    description: str
    labels: tuple[Label, ...] = ()
    channels: tuple[str, ...] = ()
    version: int = 0
    seconds: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def samples(self) -> bool:
        """Whether it answers with several masks."""
        return "samples" in self.settings


@dataclass(frozen=True)
class Dataset:
    """A data set on the server.

    Args:
        name: As requests name it.
        splits: Its parts and how many cases each has.
    """

    name: str
    splits: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Info:
    """What a server is.

    Args:
        name: Of the app.
        version: Of the app.
        models: What it offers.
        strategies: Ways to choose the next case.
        trainers: Models that can learn from labels.
    """

    name: str
    version: str
    models: tuple[Model, ...]
    strategies: tuple[str, ...] = ()
    trainers: tuple[str, ...] = ()

    @property
    def verisim(self) -> bool:
        """Whether it is Verisim, and not a plain MONAI Label app."""
        return self.name == "Verisim"

    def of_kind(self, kind: str) -> tuple[Model, ...]:
        """Its models of one kind."""
        return tuple(model for model in self.models if model.kind == kind)


@dataclass(frozen=True)
class File:
    """A file that a job left.

    Args:
        name: Of the file.
        size: Bytes.
        url: Its route.
    """

    name: str
    size: int
    url: str


@dataclass(frozen=True)
class Job:
    """How far a job is.

    Args:
        id: Asked after by this.
        state: queued, running, done, failed or cancelled.
        percent: 0 to 100.
        eta: Seconds that are left; None: unknown.
        position: In the queue, 1 is next; None: it runs or has ended.
        message: What it does.
        error: What happened, and the remedy; empty unless it failed.
        answer: What it found.
        files: What it left.
    """

    id: str
    state: str
    percent: float = 0.0
    eta: float | None = None
    position: int | None = None
    message: str = ""
    error: tuple[str, str] = ("", "")
    answer: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[File, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more happens."""
        return self.state in ("done", "failed", "cancelled")

    def file(self, name: str) -> File | None:
        """The file of a name, if there is one."""
        return next((one for one in self.files if one.name == name), None)


@dataclass(frozen=True)
class Synthesis:
    """A job that made cases.

    Args:
        job: Its id.
        model: What made them.
        cases: How many.
        ended: When, ISO 8601.
    """

    job: str
    model: str
    cases: int
    ended: str

    @property
    def title(self) -> str:
        """For a person."""
        return (
            f"{self.cases} of {self.model}, {self.ended[:16].replace('T', ' ')} ({self.job[:6]})"
        )


@dataclass(frozen=True)
class NextCase:
    """A case of the server's studies.

    Args:
        id: Its name there.
        url: Where the image is; empty: nothing is left to label.
    """

    id: str
    url: str


def info_of(told: Mapping[str, Any]) -> Info:
    """What `/info/` tells.

    Raises:
        Odd: It is no answer of a MONAI Label server.
    """
    try:
        models = tuple(_model(name, one) for name, one in told["models"].items())
        return Info(
            str(told["name"]),
            str(told.get("version", "")),
            models,
            tuple(told.get("strategies", {})),
            tuple(told.get("trainers", {})),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Odd(
            "The address answers, but not as a MONAI Label server does.",
            "Check the address; the server's page /info/ should list its models.",
        ) from error


def job_of(told: Mapping[str, Any]) -> Job:
    """What `/jobs/{id}` tells.

    Raises:
        Odd: It is none.
    """
    try:
        error = told.get("error") or {}
        files = (File(one["name"], int(one["bytes"]), one["url"]) for one in told.get("files", ()))
        return Job(
            str(told["id"]),
            str(told["state"]),
            float(told.get("percent") or 0),
            told.get("eta_seconds"),
            told.get("position"),
            str(told.get("message", "")),
            (str(error.get("message", "")), str(error.get("remedy", ""))),
            told.get("answer") or {},
            tuple(files),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Odd(
            "The server's answer about the job cannot be read.", "Try again; then ask its admin."
        ) from error


def _model(name: str, told: Mapping[str, Any]) -> Model:
    colors = told.get("colors") or {}
    named = told.get("labels") or {}
    if not isinstance(named, Mapping):  # plain MONAI Label apps may tell a list
        named = {label: value for value, label in enumerate(named, start=1)}
    labels = (
        Label(str(label), int(value), _color(colors.get(label))) for label, value in named.items()
    )
    attributes = told.get("attributes") or {}
    return Model(
        name,
        str(told.get("type", "segmentation")),
        str(told.get("description", "")),
        tuple(labels),
        tuple(told.get("channels") or ("image",)),
        int(told.get("version") or 0),
        float(told.get("seconds_per_volume") or 0),
        _settings(told),
        tuple((str(one), tuple(map(str, values))) for one, values in attributes.items()),
    )


def _settings(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """What may be asked; steps of what makes cases are told beside the rest."""
    steps = told.get("steps") or 0
    return {**(told.get("config") or {}), **({"steps": steps} if steps else {})}


def _color(told: Sequence[float] | None) -> tuple[float, float, float] | None:
    if told is None:
        return None
    red, green, blue = (float(part) for part in told)
    return red, green, blue


def datasets_of(told: Mapping[str, Any]) -> tuple[Dataset, ...]:
    """What `/datasets` tells."""
    return tuple(
        Dataset(str(one["name"]), tuple((str(k), int(n)) for k, n in one["splits"].items()))
        for one in told.get("datasets", ())
    )


def syntheses_of(told: Mapping[str, Any]) -> tuple[Synthesis, ...]:
    """The jobs of `/jobs` that made cases and are done."""
    return tuple(
        Synthesis(
            str(one["id"]),
            str(one.get("model", "")),
            int((one.get("answer") or {}).get("cases", 0)),
            str(one.get("ended") or ""),
        )
        for one in told.get("jobs", ())
        if one.get("kind") == "synthesize" and one.get("state") == "done"
    )
