"""The report of an audit as one page for people: no network, no script, no patient's name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from verisim.audit.gallery import Pair
from verisim.audit.nameless import nameless
from verisim.audit.page_cases import case_table, gallery
from verisim.audit.page_plots import calibration, histogram
from verisim.audit.page_tables import made, model_side, real_cases, recall_table
from verisim.audit.page_words import WORDS, number, share
from verisim.audit.report import AuditReport
from verisim.files.atomic import make_folder, replacing

PAGE = "report.html"
"""The file of a report's folder that a person reads."""


def write_page(folder: Path, report: AuditReport, pairs: Sequence[Pair] = ()) -> Path:
    """Write `report.html` into a folder.

    Args:
        folder: Is made if it is not there.
        report: Of the audit; the names of real cases do not come onto the page.
        pairs: The closest pairs as pictures; none: no image of anybody is on the page, so that
            it may travel.

    Raises:
        StorageFailed: The disk refused; nothing is left behind.
    """
    make_folder(folder)
    with replacing(folder / PAGE) as temporary:
        temporary.write_text(page_of(report, pairs), encoding="utf-8")
    return folder / PAGE


def page_of(report: AuditReport, pairs: Sequence[Pair] = ()) -> str:
    """The page as HTML; see `write_page`."""
    told = nameless(report)
    sections = (
        _verdict(told),
        _reasons(told),
        histogram(told),
        recall_table(told),
        gallery(told, pairs),
        case_table(told),
        calibration(told),
        real_cases(told),
        model_side(told),
        made(told),
    )
    template = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    title = f"Memorization audit of {told.synthetic.name}: {WORDS[told.word]}"
    return Template(template).substitute(title=escape(title), content="\n".join(sections))


def _verdict(report: AuditReport) -> str:
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in _facts(report)
    )
    return (
        f"<h1>Memorization audit of {escape(report.synthetic.name)}, {escape(report.made[:10])}"
        f'</h1>\n<div class="verdict word-{report.word}">'
        f'<span class="word">{WORDS[report.word]}</span>'
        f'<p class="sentence">{escape(report.sentence)}</p></div>\n<dl class="facts">{facts}</dl>'
    )


def _facts(report: AuditReport) -> Iterator[tuple[str, str]]:
    yield "synthetic cases", number(report.synthetic.cases)
    yield "of them flagged", number(len(report.flagged))
    yield "training patients", number(report.training.patients)
    yield "held-out patients", number(report.held_out.patients)
    if report.statement.copies == 0:
        yield "at most copies, of kinds seen here", share(report.statement.bound)
    else:
        yield "copies beyond chance", number(report.statement.copies)


def _reasons(report: AuditReport) -> str:
    parts = [f"<h2>Why</h2>\n<p>{escape(report.statement.sentence)}</p>"]
    if report.reasons:
        parts.append(_listed(report.reasons))
    if report.advice:
        parts.append(f"<h3>What helps</h3>\n{_listed(report.advice)}")
    return "\n".join(parts)


def _listed(sentences: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in sentences)}</ul>"
