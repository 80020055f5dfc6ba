"""The two plots on the page of an audit, drawn as SVG that takes the colours of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator
from scipy.stats import betabinom

from verisim.audit.findings import StratumFacts
from verisim.audit.page_words import number, share
from verisim.audit.report import AuditReport

Numbers = npt.NDArray[np.float64]

BINS = 40
WIDTH, HEIGHT = 640, 260
BOTTOM, TOP = 34, 26
"""Room for the numbers of the axis, and for the name of the threshold."""

SIDE = 240
"""Of a plot of one stratum."""

MOST_PLOTS = 12


def histogram(report: AuditReport) -> str:
    """Nearest-training scores of synthetic cases and held-out patients on one axis.

    Where there are several strata, each score is told from the threshold of its own.
    """
    several = len(report.strata) > 1
    zero = {one.name: one.threshold if several else 0.0 for one in report.strata}
    real = [s - zero[one.name] for one in report.strata for s in one.held_out_scores]
    made = [case.score - zero[case.stratum] for case in report.cases]
    real, made = ([s for s in scores if math.isfinite(s)] for scores in (real, made))
    left_out = len(report.cases) - len(made)
    heading = "<h2>How close are they?</h2>"
    if not real or not made:
        return f"{heading}\n<p>There is no score that could be drawn.</p>"
    threshold = 0.0 if several else report.strata[0].threshold
    told = (
        "Right of the dashed line a score is so high that at most "
        f"{share(report.level)} of new patients reach it"
    )
    of = ", each measured from the threshold of its own stratum" if several else ""
    parts = [
        heading,
        f"<p>How alike each case is to the most alike training case{of}. {told}.</p>",
        '<ul class="key"><li><i class="real"></i>held-out patients</li>'
        '<li><i class="made"></i>synthetic cases</li><li><i class="limit"></i>threshold</li></ul>',
        f"<figure>{_bars(real, made, threshold)}<figcaption>Height: share of the cases of its "
        f"own kind. Dots: synthetic cases above the threshold.{_left_out(left_out)}</figcaption>"
        "</figure>",
    ]
    return "\n".join(parts)


def _left_out(count: int) -> str:
    return f" {count} cases without a finite score are not drawn." if count else ""


def _bars(real: Sequence[float], made: Sequence[float], threshold: float) -> str:
    ends = [*real, *made, *([threshold] if math.isfinite(threshold) else [])]
    low, high = min(ends), max(ends)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    shares = [np.histogram(scores, edges)[0] / len(scores) for scores in (real, made)]
    tallest = max(float(one.max()) for one in shares)
    step = WIDTH / BINS

    def x(score: float) -> float:
        return float((score - edges[0]) / (edges[-1] - edges[0]) * WIDTH)

    drawn = [
        f'<rect class="bar {kind}" x="{k * step + offset:.1f}" width="{0.44 * step:.1f}" '
        f'y="{HEIGHT - BOTTOM - h:.1f}" height="{h:.1f}"/>'
        for kind, offset, one in zip(
            ("real", "made"), (0.04 * step, 0.5 * step), shares, strict=True
        )
        for k, h in enumerate(one / tallest * (HEIGHT - BOTTOM - TOP))
        if h > 0
    ]
    drawn += [
        f'<circle class="made" cx="{x(score):.1f}" cy="{HEIGHT - BOTTOM - 5}" r="4"/>'
        for score in made
        if score > threshold
    ]
    above = [sum(score > threshold for score in scores) for scores in (made, real)]
    alt = (
        f"Histogram of {len(made)} synthetic cases and {len(real)} held-out patients; "
        f"{above[0]} and {above[1]} of them are above the threshold of {number(threshold)}."
    )
    if math.isfinite(threshold):
        drawn.append(_limit(x(threshold), threshold))
    return _svg(WIDTH, HEIGHT, alt, [*_axis(edges), *drawn])


def _limit(place: float, threshold: float) -> str:
    anchor = "end" if place > 0.85 * WIDTH else "start" if place < 0.15 * WIDTH else "middle"
    return (
        f'<line class="limit" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP - 6}" '
        f'y2="{HEIGHT - BOTTOM}"/><text x="{place:.1f}" y="{TOP - 12}" text-anchor="{anchor}">'
        f"threshold {number(threshold)}</text>"
    )


def _axis(edges: Numbers) -> list[str]:
    """The line and round numbers below it."""
    base = HEIGHT - BOTTOM
    drawn = [f'<line class="axis" x1="0" x2="{WIDTH}" y1="{base}" y2="{base}"/>']
    low, high = float(edges[0]), float(edges[-1])
    for score in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high):
        place = (score - low) / (high - low)
        if 0.02 < place < 0.98:
            drawn.append(
                f'<text x="{place * WIDTH:.1f}" y="{HEIGHT - 12}" text-anchor="middle">'
                f"{number(float(score), 1)}</text>"
            )
    return drawn


def calibration(report: AuditReport) -> str:
    """Of every stratum: how many synthetic cases have a p-value below each p-value."""
    strata = sorted(
        (one for one in report.strata if one.synthetic), key=lambda one: -one.synthetic
    )
    plots = "\n".join(_stratum(one, report) for one in strata[:MOST_PLOTS])
    alone = " alone" if len(strata) == 1 else ""
    more = len(strata) - MOST_PLOTS
    rest = f'<p class="soft">{more} smaller strata are not drawn.</p>' if more > 0 else ""
    return (
        "<h2>Calibration, stratum by stratum</h2>\n<p>If synthetic cases are as close to training "
        "cases as new patients are, as many of them have a p-value below 0.05 as its name says, "
        "and so on: the line stays in the band around the diagonal. A line above the band on the "
        "left means copies; one below it, cases that keep farther away than patients do.</p>"
        f'\n<div class="plots{alone}">{plots}</div>{rest}'
    )


def _stratum(stratum: StratumFacts, report: AuditReport) -> str:
    values = np.sort([case.p for case in report.cases if case.stratum == stratum.name])
    count, held_out = len(values), stratum.held_out_patients
    edge, side = 30, SIDE - 36

    def at(p: float, of: float) -> str:
        return f"{edge + p * side:.1f},{6 + (1 - of) * side:.1f}"

    steps = [at(0, 0)]
    for k, p in enumerate(values):
        steps += [at(p, k / count), at(p, (k + 1) / count)]
    steps.append(at(1, 1))
    grid = np.linspace(0, 1, 42)[1:-1]
    low, high = band(grid, count, held_out)
    upper = [at(p, o) for p, o in zip(grid, high, strict=True)]
    lower = [at(p, o) for p, o in zip(grid, low, strict=True)]
    outline = [at(0, 0), *upper, at(1, 1), *reversed(lower)]
    below = int((values <= report.level).sum())
    alt = (
        f"Stratum {stratum.name}: {below} of {count} synthetic cases have p at most "
        f"{number(report.level)}; {held_out} held-out patients."
    )
    drawn = [
        f'<polygon class="band" points="{" ".join(outline)}"/>',
        f'<polyline class="even" points="{at(0, 0)} {at(1, 1)}" fill="none"/>',
        f'<polyline class="line" points="{" ".join(steps)}"/>',
        f'<polyline class="axis" points="{at(0, 1)} {at(0, 0)} {at(1, 0)}" fill="none"/>',
    ]
    drawn += [
        f'<text x="{edge + p * side:.0f}" y="{SIDE - 10}" text-anchor="middle">{p:g}</text>'
        for p in (0, 0.5, 1)
    ]
    drawn += [
        f'<text x="{edge - 6}" y="{10 + (1 - of) * side:.0f}" text-anchor="end">{of:g}</text>'
        for of in (0.5, 1)
    ]
    caption = (
        f"<strong>{escape(stratum.name)}</strong>: {count} synthetic cases, {stratum.flagged} "
        f"flagged; {held_out} held-out patients. Across: p; up: share of cases."
    )
    return f"<figure>{_svg(SIDE, SIDE, alt, drawn)}<figcaption>{caption}</figcaption></figure>"


def band(grid: Numbers, count: int, held_out: int) -> tuple[Numbers, Numbers]:
    """Bounds of the share of p-values up to each p, pointwise 95 %, if all is as it should be.

    Of n cases, those above the r-th highest of m held-out scores are BetaBinomial(n, r, m + 1 - r)
    distributed: the threshold scatters as well as the cases do (Bates 2023).

    Args:
        grid: p-values above 0 and below 1, (P,).
        count: Synthetic cases.
        held_out: Patients.
    """
    a, b = grid * (held_out + 1), (1 - grid) * (held_out + 1)
    low, high = (betabinom.ppf(q, count, a, b) / count for q in (0.025, 0.975))
    return low, high


def _svg(width: int, height: int, alt: str, drawn: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">'
        f"<title>{escape(alt)}</title>{''.join(drawn)}</svg>"
    )
