"""What goes with a synthetic case that an audit let out: which files, which audit, how close.

A certificate guards against mistakes, such as a file that changed or a case that was never
audited. It is no signature: who wants to deceive can write one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from verisim.audit.findings import CaseVerdict, StratumFacts, Word
from verisim.audit.report import AuditReport, Strict
from verisim.errors import Unreleased
from verisim.files.marks import files_of


@dataclass(frozen=True)
class FileSeal:
    """One file of a case.

    Args:
        path: Inside the released folder.
        sha256: Of its bytes.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class Certificate:
    """That an audit let a synthetic case out.

    Args:
        case: Its name.
        files: Images, label map and provenance.
        audited_sha256: Digest of the case as the audit saw it.
        report_sha256: Of the audit's report as it is let out, without names of real cases.
        own_report_sha256: Of the report that stays where the real cases are.
        training_sha256: Of the training cases that it was compared with.
        held_out_sha256: Of the held-out cases.
        held_out_scores_sha256: Of the scores that it was calibrated on.
        version: Of the program that audited.
        made: When it was audited, ISO 8601.
        seed: Of the audit.
        measures: That were asked.
        level: Nominal share of false alarms.
        stratum: Group that it was compared with.
        score: How close it came to a training case.
        threshold: A score above it would have been flagged at the level, case by case.
        p: How often a new patient scores so high.
        q: The same, adjusted for the number of cases.
        set_word: Verdict on the whole set that it was drawn in.
        statement: About the whole set.
        blind_spots: Kinds of copies that nothing is claimed of.
        seal: SHA-256 of all else.
        synthetic: Always true.
    """

    case: str
    files: tuple[FileSeal, ...]
    audited_sha256: str
    report_sha256: str
    own_report_sha256: str
    training_sha256: str
    held_out_sha256: str
    held_out_scores_sha256: str
    version: str
    made: str
    seed: int
    measures: tuple[str, ...]
    level: float
    stratum: str
    score: float
    threshold: float
    p: float
    q: float
    set_word: Word
    statement: str
    blind_spots: tuple[str, ...]
    seal: str = ""
    synthetic: bool = True

    __pydantic_config__: ClassVar[ConfigDict] = Strict

    def json(self) -> str:
        """All of it, for a file."""
        return ADAPTER.dump_json(self, indent=1).decode() + "\n"

    def plain(self) -> dict[str, Any]:
        """All of it, as JSON knows it."""
        told: dict[str, Any] = json.loads(self.json())
        return told

    def sealed(self) -> Certificate:
        """The same with the seal of its own content."""
        told = self.plain() | {"seal": ""}
        content = json.dumps(told, sort_keys=True).encode()
        return ADAPTER.validate_python(told | {"seal": hashlib.sha256(content).hexdigest()})

    @property
    def is_whole(self) -> bool:
        """Whether nothing in it was changed."""
        return self.sealed().seal == self.seal

    def covers(self, path: Path) -> bool:
        """Whether it speaks of a file, or of every file of a DICOM series, whatever its name."""
        known = {file.sha256 for file in self.files}
        files = files_of(path)
        return bool(files) and all(sha256_of(file) in known for file in files)


ADAPTER = TypeAdapter(Certificate)


@dataclass(frozen=True)
class ReportSeals:
    """Checksums of the two forms of a report.

    Args:
        let_out: Of the one without names of real cases.
        own: Of the one that stays.
    """

    let_out: str
    own: str


def certificate_of(
    report: AuditReport, seals: ReportSeals, verdict: CaseVerdict, files: Iterable[FileSeal]
) -> Certificate:
    """The certificate that a report gives to a case.

    Args:
        report: Of the audit.
        seals: Of its files.
        verdict: On the case.
        files: Of the case, as they are let out.
    """
    stratum = next(one for one in report.strata if one.name == verdict.stratum)
    return Certificate(
        case=verdict.name,
        files=tuple(sorted(files, key=lambda file: file.path)),
        audited_sha256=verdict.digest,
        report_sha256=seals.let_out,
        own_report_sha256=seals.own,
        training_sha256=report.training.sha256,
        held_out_sha256=report.held_out.sha256,
        held_out_scores_sha256=_sha256_of_scores(stratum),
        version=report.version,
        made=report.made,
        seed=report.seed,
        measures=report.measures,
        level=report.level,
        stratum=stratum.name,
        score=verdict.score,
        threshold=stratum.threshold,
        p=verdict.p,
        q=verdict.q,
        set_word=report.word,
        statement=report.statement.sentence,
        blind_spots=report.blind_spots,
    ).sealed()


def parsed(text: str | bytes) -> Certificate:
    """A certificate from its JSON.

    Raises:
        Unreleased: It is none, or something in it was changed.
    """
    remedy = "Take the certificate that verisim release wrote for the case."
    try:
        found = ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its text"
        raise Unreleased(
            f"The certificate is wrong at {where}: {first['msg']}.", remedy
        ) from error
    if not found.is_whole:
        raise Unreleased("The certificate was changed: its seal does not fit.", remedy)
    return found


def sha256_of(path: Path) -> str:
    """Checksum of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of_scores(stratum: StratumFacts) -> str:
    return hashlib.sha256(json.dumps(stratum.held_out_scores).encode()).hexdigest()
