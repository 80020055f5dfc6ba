"""The gate: of the synthetic cases of a folder only those leave that an audit let out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verisim.audit.certificate import (
    Certificate,
    FileSeal,
    ReportSeals,
    certificate_of,
    sha256_of,
)
from verisim.audit.findings import CaseVerdict
from verisim.audit.folders import cases_in, digest_of
from verisim.audit.manifest import MANIFEST, Manifest
from verisim.audit.nameless import nameless
from verisim.audit.report import REPORT, AuditReport, read_report
from verisim.dataset import Case
from verisim.description import read_json
from verisim.errors import Conflict, Unreleased
from verisim.files.atomic import make_folder, replacing
from verisim.files.marks import MARK, copy_marked, files_of
from verisim.progress import SILENT, Progress

CERTIFICATES = "certificates"
"""Folder of the certificates, one a case."""

AUDIT = "audit.json"
"""The report among what is let out: without names of real cases."""

AGAIN = "Audit the folder again as it is now."


@dataclass(frozen=True)
class Released:
    """What was let out.

    Args:
        folder: Where it is.
        cases: Names of the cases that passed.
        withheld: Names of those that stayed.
    """

    folder: Path
    cases: tuple[str, ...]
    withheld: tuple[str, ...]


def release(
    audit: Path,
    synthetic: Path,
    folder: Path,
    rest: bool = False,
    progress: Progress = SILENT,
) -> Released:
    """Copy the cases that passed, each with its certificate; all of it appears at once.

    Args:
        audit: The report, or its folder.
        synthetic: The cases that were audited.
        folder: Receives what is let out; new or empty.
        rest: Also of a set that is blocked, let out the cases that passed; their certificates
            say that the set was blocked.
        progress: Hears of every case; may cancel between two.

    Raises:
        Unreleased: The set is blocked, no case passed, or a file is not as it was audited.
        Conflict: The folder holds something.
        StorageFailed: The disk refused; nothing is left behind.
    """
    report = read_report(audit)
    passed = _passed(report, rest)
    found = _audited(passed, synthetic)
    _check_empty(folder)
    make_folder(folder.parent)
    with replacing(folder) as temporary:
        temporary.mkdir()
        _fill(temporary, audit, synthetic, found, progress)
    return Released(
        folder, tuple(case.name for case in passed), tuple(case.name for case in report.flagged)
    )


def _passed(report: AuditReport, rest: bool) -> tuple[CaseVerdict, ...]:
    if report.word == "block" and not rest:
        raise Unreleased(
            f"The audit blocks the whole set: {report.sentence}",
            "Audit a freshly made set. To let out the cases of this one that passed all the same, "
            "say --rest: their certificates will tell that the set was blocked.",
        )
    passed = tuple(case for case in report.cases if not case.flagged)
    if not passed:
        raise Unreleased("None of the cases passed the audit.", "Make others, and audit them.")
    return passed


def _audited(
    passed: Sequence[CaseVerdict], synthetic: Path
) -> tuple[tuple[CaseVerdict, Case], ...]:
    """Each verdict with its case, whose files are still those that were audited."""
    there = {case.name: case for case in cases_in(synthetic)}
    gone = [verdict.name for verdict in passed if verdict.name not in there]
    if gone:
        raise Unreleased(
            f"{len(gone)} audited case(s) are not in {synthetic}, {gone[0]} is one.",
            "Name the folder that was audited.",
        )
    pairs = tuple((verdict, there[verdict.name]) for verdict in passed)
    changed = [verdict.name for verdict, case in pairs if digest_of(case) != verdict.digest]
    if changed:
        raise Unreleased(
            f"{len(changed)} case(s) changed since the audit, {changed[0]} is one.", AGAIN
        )
    return pairs


def _check_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} holds something already.", "Name a folder that is new or empty.")


def _fill(
    folder: Path,
    audit: Path,
    synthetic: Path,
    found: Sequence[tuple[CaseVerdict, Case]],
    progress: Progress,
) -> None:
    own = audit if audit.suffix == ".json" else audit / REPORT
    report = nameless(read_report(audit))
    (folder / AUDIT).write_text(report.json() + "\n", encoding="utf-8")
    seals = ReportSeals(sha256_of(folder / AUDIT), sha256_of(own))
    (folder / CERTIFICATES).mkdir()
    for k, (verdict, case) in enumerate(found):
        progress.advance(k, len(found), verdict.name)
        files = _copied(case, synthetic, folder)
        certificate = certificate_of(report, seals, verdict, files)
        certificate_path(folder, certificate).write_text(certificate.json(), encoding="utf-8")
    _describe(synthetic, folder, len(found))
    everything = [seal_of(path, folder) for path in files_of(folder)]
    names = tuple(verdict.name for verdict, _ in found)
    manifest = Manifest(names, len(report.flagged), tuple(everything)).sealed()
    (folder / MANIFEST).write_text(manifest.json(), encoding="utf-8")


def certificate_path(folder: Path, certificate: Certificate) -> Path:
    """Where the certificate of a case lies in a released folder."""
    return folder / CERTIFICATES / f"{certificate.case}.json"


def seal_of(path: Path, folder: Path) -> FileSeal:
    """The seal of a file of a folder."""
    return FileSeal(path.relative_to(folder).as_posix(), sha256_of(path))


def _copied(case: Case, synthetic: Path, folder: Path) -> list[FileSeal]:
    """Copy image, label map and provenance; what is not marked yet is marked on the way."""
    targets = [target for image in case.images for target in _placed(image, folder / "imagesTr")]
    if case.label is not None:
        targets += _placed(case.label, folder / "labelsTr")
    for source, target in targets:
        copy_marked(source, target, f"{MARK} {case.name}")
    provenance = synthetic / "provenance" / f"{case.name}.json"
    if provenance.is_file():
        target = folder / "provenance" / provenance.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(provenance.read_bytes())
        targets.append((provenance, target))
    return [seal_of(target, folder) for _, target in targets]


def _placed(source: Path, folder: Path) -> list[tuple[Path, Path]]:
    """Each file with its new place; a series keeps its folder."""
    return [(file, folder / file.relative_to(source.parent)) for file in files_of(source)]


def _describe(synthetic: Path, folder: Path, count: int) -> None:
    """dataset.json, if the cases had one, with what is true of those that are let out."""
    path = synthetic / "dataset.json"
    if not path.is_file():
        return
    told = dict(read_json(path))
    if isinstance(told.get("training"), list):  # the Decathlon's layout names every case
        told["training"] = [entry for entry in told["training"] if _is_there(entry, folder)]
    described = {**told, "synthetic": True, "released": True, "numTraining": count, "test": []}
    text = json.dumps(described, indent=1) + "\n"
    (folder / "dataset.json").write_text(text, encoding="utf-8")


def _is_there(entry: object, folder: Path) -> bool:
    return isinstance(entry, dict) and (folder / str(entry.get("image"))).is_file()
