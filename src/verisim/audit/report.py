"""What an audit found, as a person and a program read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from verisim.audit.findings import (
    CaseVerdict,
    Discovery,
    Hygiene,
    ModelSide,
    Recall,
    SetFacts,
    SetStatement,
    StratumFacts,
    Weights,
    Word,
)
from verisim.errors import BadInput, NotFound
from verisim.files.atomic import make_folder, replacing

REPORT = "report.json"
"""The file of a report's folder that a program reads."""

Strict = ConfigDict(extra="forbid", ser_json_inf_nan="strings")
"""An unknown field is a mistake; JSON has no word for infinity but a quoted one."""


@dataclass(frozen=True)
class AuditReport:
    """Whether synthetic cases copy training patients.

    Args:
        version: Of the program.
        made: Date, ISO 8601.
        seed: Decides every random choice.
        level: Nominal share of false alarms.
        measures: Their names.
        training: What the generator learned from.
        held_out: Real cases that it did not.
        synthetic: What it made.
        strata: Groups that are calibrated alone.
        cases: Every synthetic case, the highest score first.
        statement: About the whole set.
        recalls: Of planted copies, kind by kind.
        hygiene: Of the real cases.
        stand_ins: Training patients, each beside the others, that counted among the held-out ones.
        discovery: Training patients among the flagged cases.
        model_side: Where the generator was there.
        word: The verdict.
        sentence: The verdict for a person.
        reasons: Every rule that decided it.
        advice: What helps.
        weights: Of networks that others have trained, where such were asked.
    """

    version: str
    made: str
    seed: int
    level: float
    measures: tuple[str, ...]
    training: SetFacts
    held_out: SetFacts
    synthetic: SetFacts
    strata: tuple[StratumFacts, ...]
    cases: tuple[CaseVerdict, ...]
    statement: SetStatement
    recalls: tuple[Recall, ...]
    word: Word
    sentence: str
    hygiene: Hygiene = field(default_factory=Hygiene)
    stand_ins: int = 0
    discovery: Discovery | None = None
    model_side: ModelSide | None = None
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    weights: tuple[Weights, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = Strict

    @property
    def flagged(self) -> tuple[CaseVerdict, ...]:
        """The cases that must not be let out."""
        return tuple(case for case in self.cases if case.flagged)

    @property
    def blind_spots(self) -> tuple[str, ...]:
        """Kinds of copies that nothing is claimed of."""
        return tuple(one.kind for one in self.recalls if one.blind)

    def json(self) -> str:
        """The report for a program."""
        return ADAPTER.dump_json(self, indent=1).decode()

    def write(self, folder: Path) -> Path:
        """Write `report.json` into a folder.

        Raises:
            StorageFailed: The disk refused; nothing is left behind.
        """
        make_folder(folder)
        with replacing(folder / REPORT) as temporary:
            temporary.write_text(self.json() + "\n", encoding="utf-8")
        return folder / REPORT


ADAPTER = TypeAdapter(AuditReport)


def read_report(folder: Path) -> AuditReport:
    """Read the report of a folder.

    Args:
        folder: What `verisim audit` wrote, or its `report.json`.

    Raises:
        NotFound: There is none.
        BadInput: A field is missing, unknown or of the wrong type; the message names it.
    """
    path = folder if folder.suffix == ".json" else folder / REPORT
    remedy = "Audit the cases again with verisim audit."
    try:
        return ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"There is no report {path}.", remedy) from error
    except OSError as error:
        raise BadInput(f"The report {path} cannot be read: {error.strerror}.", remedy) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its text"
        raise BadInput(
            f"The report {path} is wrong at {where}: {first['msg']}.", remedy
        ) from error
