"""The synthetic cases on the page of an audit: the closest pairs as pictures, and a table."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib.image import imsave

from verisim.audit.findings import CaseVerdict
from verisim.audit.gallery import Pair, Picture
from verisim.audit.page_words import WORDS, cells, number, probability, table
from verisim.audit.report import AuditReport

MOST_ROWS = 30
"""Of the table of cases; what is flagged is always there."""


DIFFERENCE = "Synthetic minus training: white where there is no difference"


def gallery(report: AuditReport, pairs: Sequence[Pair]) -> str:
    """The closest pairs; without pictures a sentence."""
    heading = "<h2>The closest pairs</h2>"
    if not pairs:
        return (
            f"{heading}\n<p>Images are left out, so that this page may travel: neither training "
            "images nor the synthetic ones that are close to them are shown.</p>"
        )
    known = {case.name: case for case in report.cases}
    shown = "\n".join(_pair(pair, known[pair.case]) for pair in pairs)
    return (
        f"{heading}\n<p>Each synthetic case, the training case that is most alike, laid onto it, "
        "their difference, and where they agree. This page shows images of patients: keep it "
        f"where these may be seen.</p>\n{shown}"
    )


def _pair(pair: Pair, case: CaseVerdict) -> str:
    sight = case.sight
    darkest, brightest = (float(n) for n in np.percentile(pair.synthetic, (0.5, 99.5)))
    contrast = max(brightest - darkest, 1e-6)
    grey = "gray", darkest, darkest + contrast
    pictures = (
        ("synthetic", pair.synthetic, grey, f"Slice of the synthetic case {case.name}"),
        (sight.nearest, pair.training, grey, f"The same slice of {sight.nearest}, aligned"),
        ("difference", pair.difference, ("RdBu_r", -contrast, contrast), DIFFERENCE),
        ("agreement", pair.agreement, ("magma", 0.0, 1.0), "Bright where both agree"),
    )
    shown = "".join(
        f'<figure><img src="{_data(array, *colors)}" alt="{escape(told)}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, array, colors, told in pictures
    )
    word = f'<span class="word-{case.word}"><strong>{WORDS[case.word]}</strong></span>'
    turned = ", black and white exchanged" if sight.alignment.sign < 0 else ""
    return (
        f'<section class="pair"><h3 class="name">{escape(case.name)}</h3>'
        f"<p>{word}: score {number(case.score)}, p = {probability(case.p)}, seen closest by "
        f"{escape(case.measure)}{turned}; slice {pair.slice}.{_together(case)}</p>"
        f'<div class="pictures">{shown}</div></section>'
    )


def _data(array: Picture, colors: str, low: float, high: float) -> str:
    """A picture inside the page, second axis upwards."""
    stream = io.BytesIO()
    imsave(stream, np.rot90(array), cmap=colors, vmin=low, vmax=high)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def case_table(report: AuditReport) -> str:
    """The closest cases, and all that are flagged."""
    first = report.cases[:MOST_ROWS]
    rest = tuple(case for case in report.cases[MOST_ROWS:] if case.flagged)
    header = (
        "case",
        "verdict",
        "#score",
        "#p",
        "#q",
        "stratum",
        "seen closest by",
        "training case",
    )
    rows = [_case(case) for case in (*first, *rest)]
    caption = f"{len(rows)} of {len(report.cases)} synthetic cases, the closest first"
    return f"<h2>The synthetic cases</h2>\n{_kin(report)}{table(caption, header, rows)}"


def _kin(report: AuditReport) -> str:
    """Why cases stay that are not close themselves; empty if there are none."""
    kin = sum(bool(case.withheld_with) for case in report.cases)
    if not kin:
        return ""
    are = "1 case is" if kin == 1 else f"{number(kin)} cases are"
    return (
        "<p>Slices of one synthetic volume stay together: a generator that copies one slice of a "
        f"patient copies the patient. {are} withheld only because another case of the same "
        "volume is too close; below the verdict stands which.</p>\n"
    )


def _together(case: CaseVerdict) -> str:
    if not case.withheld_with:
        return ""
    return f" Withheld with {escape(case.withheld_with)}, a case of the same synthetic volume."


def _case(case: CaseVerdict) -> str:
    other = f'<span class="with">with {escape(case.withheld_with)}</span>'
    scores = cells(number(case.score), probability(case.p), probability(case.q))
    seen = "".join(
        f'<td class="line">{escape(one)}</td>' for one in (case.measure, case.sight.nearest)
    )
    rest = f"<td>{escape(case.stratum)}</td>{seen}"
    return (
        f'<tr class="word-{case.word}"><th scope="row" class="name">{escape(case.name)}</th>'
        f'<td class="word">{WORDS[case.word]}{other * bool(case.withheld_with)}</td>'
        f"{scores}{rest}</tr>"
    )
