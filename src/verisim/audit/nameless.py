"""A report that may travel: it names no real case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from verisim.audit.findings import CaseVerdict, Duplicate, Hygiene
from verisim.audit.report import AuditReport


def nameless(report: AuditReport) -> AuditReport:
    """The same report with "training 1", "held-out 1", … for the names of real cases.

    The numbers follow the order in which the report names them, so that who has the report with
    the names finds each again; a number tells nothing, other than a hash of a name.
    """
    stands = stand_ins(report)
    told = {**stands, **{name: name for name in (case.name for case in report.cases)}}
    return replace(
        report,
        cases=tuple(_case(case, stands) for case in report.cases),
        hygiene=_hygiene(report.hygiene, stands),
        statement=replace(report.statement, sentence=_text(report.statement.sentence, told)),
        sentence=_text(report.sentence, told),
        reasons=tuple(_text(one, told) for one in report.reasons),
        advice=tuple(_text(one, told) for one in report.advice),
    )


def stand_ins(report: AuditReport) -> Mapping[str, str]:
    """What stands for each real case that a report names."""
    training = [sight.nearest for case in report.cases for sight in case.sights]
    training += [name for cluster in report.hygiene.clusters for name in cluster]
    training += [leak.second for leak in report.hygiene.leaks]
    held_out = [leak.first for leak in report.hygiene.leaks]
    return {**_numbered("training", training), **_numbered("held-out", held_out)}


def _numbered(word: str, names: Iterable[str]) -> dict[str, str]:
    return {name: f"{word} {k}" for k, name in enumerate(dict.fromkeys(names), start=1)}


def _case(case: CaseVerdict, stands: Mapping[str, str]) -> CaseVerdict:
    sights = tuple(replace(one, nearest=stands[one.nearest]) for one in case.sights)
    return replace(case, sights=sights)


def _hygiene(found: Hygiene, stands: Mapping[str, str]) -> Hygiene:
    return Hygiene(
        clusters=tuple(tuple(stands[name] for name in cluster) for cluster in found.clusters),
        leaks=tuple(
            Duplicate(stands[one.first], stands[one.second], one.score) for one in found.leaks
        ),
    )


def _text(sentence: str, told: Mapping[str, str]) -> str:
    """A sentence with every name as it may be told; longer names first: one may hold another."""
    names = sorted(filter(None, told), key=len, reverse=True)
    if not names:
        return sentence
    pattern = rf"(?<!\w)(?:{'|'.join(re.escape(name) for name in names)})(?!\w)"
    return re.sub(pattern, lambda found: told[found.group()], sentence)
