"""Whether a released folder is still what an audit let out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from verisim.audit import certificate, manifest
from verisim.audit.certificate import (
    Certificate,
    FileSeal,
    ReportSeals,
    certificate_of,
    sha256_of,
)
from verisim.audit.manifest import MANIFEST, Manifest
from verisim.audit.release import AUDIT, CERTIFICATES
from verisim.audit.report import AuditReport, read_report
from verisim.errors import BadInput, NotFound, VerisimError
from verisim.files.marks import files_of


@dataclass(frozen=True)
class Flaw:
    """Something that is not as it was let out.

    Args:
        file: Inside the folder.
        problem: What is wrong with it.
    """

    file: str
    problem: str


@dataclass(frozen=True)
class Verification:
    """What was found in a folder.

    Args:
        cases: Names of the cases whose certificates hold.
        files: How many files were looked at.
        flaws: None where everything is as it was let out.
    """

    cases: tuple[str, ...]
    files: int
    flaws: tuple[Flaw, ...]

    @property
    def holds(self) -> bool:
        """Whether every certificate does, and nothing else is there."""
        return not self.flaws


def verify(folder: Path) -> Verification:
    """Check every certificate of a folder, and that nothing is there without one.

    Raises:
        NotFound: No such folder.
        BadInput: It is empty.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", "Check the path.")
    there = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files_of(folder)}
    if not there:
        raise BadInput(f"{folder} is empty.", "Name a folder that verisim release wrote.")
    try:
        listed = manifest.parsed((folder / MANIFEST).read_bytes())
        report = read_report(folder / AUDIT)
    except FileNotFoundError:
        return Verification((), len(there), (Flaw(MANIFEST, "is missing: no audit let this out"),))
    except VerisimError as error:
        return Verification((), len(there), (Flaw("the audit", error.message),))
    looked = tuple(_looked(name, report, folder, there) for name in listed.cases)
    certified = {"dataset.json", AUDIT, MANIFEST}.union(*(one.files for one in looked))
    flaws = [*_changed(listed, there), *(one.flaw for one in looked if one.flaw)]
    flaws += [Flaw(path, "has no certificate") for path in sorted(there.keys() - certified)]
    spoilt = {flaw.file for flaw in flaws}
    held = tuple(one.name for one in looked if not one.flaw and spoilt.isdisjoint(one.files))
    return Verification(held, len(there), tuple(dict.fromkeys(flaws)))


@dataclass(frozen=True)
class _Looked:
    """A case of the manifest with the files that its certificate speaks of."""

    name: str
    files: frozenset[str]
    flaw: Flaw | None = None


def _changed(listed: Manifest, there: Mapping[str, str]) -> Iterator[Flaw]:
    """Files that are missing, and those that have other bytes."""
    for file in listed.files:
        if file.path not in there:
            yield Flaw(file.path, "is missing")
        elif there[file.path] != file.sha256:
            yield Flaw(file.path, "was changed")


def _looked(name: str, report: AuditReport, folder: Path, there: Mapping[str, str]) -> _Looked:
    """Compare a certificate with the one that the audit gives to the files that are there."""
    path = f"{CERTIFICATES}/{name}.json"
    if path not in there:
        return _Looked(name, frozenset(), Flaw(path, "is missing"))
    try:
        found = certificate.parsed((folder / path).read_bytes())
    except VerisimError as error:
        return _Looked(name, frozenset([path]), Flaw(path, error.message))
    files = frozenset([path, *(file.path for file in found.files)])
    problem = _problem(found, name, report, there)
    return _Looked(name, files, Flaw(path, problem) if problem else None)


def _problem(found: Certificate, name: str, report: AuditReport, there: Mapping[str, str]) -> str:
    verdict = next((case for case in report.cases if case.name == name), None)
    if verdict is None:
        return "speaks of a case that was not audited"
    if verdict.flagged:
        return "speaks of a case that the audit withheld"
    seals = ReportSeals(there[AUDIT], found.own_report_sha256)
    files = [FileSeal(one.path, there.get(one.path, "")) for one in found.files]
    expected = certificate_of(report, seals, verdict, files)
    return "" if found == expected else "is not the one that the audit gives to these files"
