"""The page of an audit: complete, self-contained, and without anybody's name."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import betabinom

from tests.audit.reports import a_report
from verisim.audit.collection import Collection
from verisim.audit.findings import Hygiene
from verisim.audit.gallery import closest_pairs
from verisim.audit.page import page_of, write_page
from verisim.audit.page_plots import band
from verisim.audit.page_words import interval, number, probability, share
from verisim.audit.report import AuditReport
from verisim.metrics.intervals import Interval

EMPTY = {"meta", "link", "img", "br", "hr", "rect", "circle", "line", "polyline", "polygon"}


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += data


def seen(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def collections(report: AuditReport) -> tuple[Collection, Collection]:
    random = np.random.default_rng(0)
    names = sorted({sight.nearest for case in report.cases for sight in case.sights})
    made = [case.name for case in report.cases]

    def of(listed: list[str]) -> Collection:
        images = random.normal(size=(len(listed), 1, 9, 8, 7)).astype(np.float32)
        three = tuple(listed)
        return Collection(three, three, ("all",) * len(three), ("0",) * len(three), images)

    return of(names), of(made)


@pytest.fixture
def page() -> str:
    report = a_report()
    return page_of(report, closest_pairs(report, *collections(report)))


def test_a_page_loads_nothing_and_runs_nothing(page: str) -> None:
    tags = seen(page)
    assert not {"script", "iframe", "object", "embed", "form"} & set(tags.count)
    for tag, given in tags.attributes:
        assert not any(name.startswith("on") for name in given)
        for name in ("src", "href", "action", "srcset"):
            assert (given.get(name) or "data:,").startswith("data:"), (tag, given)
    assert "url(" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_it_can_be_read_aloud(page: str) -> None:
    tags = seen(page)
    assert tags.attributes[0] == ("html", {"lang": "en"})
    assert tags.count["h1"] == tags.count["main"] == 1
    for tag, given in tags.attributes:
        if tag == "img":
            assert given["alt"]
        if tag == "svg":
            assert given["role"] == "img"
            assert given["aria-label"]
        if tag == "th":
            assert given["scope"] in ("row", "col")
    assert tags.count["caption"] == tags.count["table"]


def test_it_shows_the_closest_pairs_or_no_image_at_all(page: str) -> None:
    assert seen(page).count["img"] == 4 * 3
    without = page_of(a_report())
    assert seen(without).count["img"] == 0
    assert "Images are left out" in without


def test_no_real_case_is_named(page: str) -> None:
    for name in ("train_1", "train_2", "train_3", "held_1"):
        assert name not in page


def test_every_part_of_the_report_is_there(page: str) -> None:
    text = seen(page).text
    report = a_report()
    for told in (report.sentence, report.statement.sentence, *report.advice, "Block"):
        assert told in text
    for recall in report.recalls:
        assert recall.kind in text
    assert "Blind spots. Copies of these kinds were not found reliably: rotation 15." in text
    for case in report.cases:
        assert case.name in text
    for sha in (report.training.sha256, report.synthetic.sha256):
        assert sha in text
    assert "seed 0" in text
    assert "membership" in text


def test_what_a_name_says_is_no_html() -> None:
    evil = '<script>alert("1")</script>'
    report = a_report()
    cases = (replace(report.cases[0], name=evil, stratum=evil), *report.cases[1:])
    strata = (replace(report.strata[0], name=evil), report.strata[0])
    told = replace(report, cases=cases, strata=strata, sentence=evil, advice=(evil,))
    told = replace(told, synthetic=replace(report.synthetic, name=evil))
    assert seen(page_of(told)).count["script"] == 0


def test_a_case_that_stays_with_another_of_its_volume_says_so() -> None:
    report = a_report()
    assert "same synthetic volume" not in seen(page_of(report)).text
    copied, close, far = report.cases
    kin = replace(far, word="quarantine", withheld_with=copied.name)
    told = replace(report, cases=(copied, close, kin))
    page = page_of(told, closest_pairs(told, *collections(told)))
    assert "Withheld with made_2, a case of the same synthetic volume." in seen(page).text
    assert "1 case is withheld only because another case" in seen(page).text
    row = next(one for one in page.split("<tr") if 'class="name">made_3</th>' in one)
    assert "with made_2" in row
    assert page.count("Withheld with") == 1


def test_a_report_without_anything_has_a_page() -> None:
    report = a_report()
    bare = replace(
        report,
        recalls=(),
        hygiene=Hygiene(),
        discovery=None,
        model_side=None,
        reasons=(),
        advice=(),
        strata=(replace(report.strata[0], threshold=math.inf, held_out_scores=()),),
    )
    text = seen(page_of(bare)).text
    assert "No copies were planted" in text
    assert "no score that could be drawn" in text


def test_it_is_written_into_the_folder(tmp_path: Path) -> None:
    path = write_page(tmp_path / "audit", a_report())
    assert path.name == "report.html"
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8") == page_of(a_report())


def test_several_strata_share_one_axis() -> None:
    report = a_report()
    other = replace(report.strata[0], name="slice 2", threshold=5.0)
    cases = (replace(report.cases[0], stratum="slice 2"), *report.cases[1:])
    page = page_of(replace(report, strata=(report.strata[0], other), cases=cases))
    assert "threshold of its own stratum" in page
    assert len(re.findall("<svg", page)) == 3


def test_the_slice_of_most_agreement_is_shown() -> None:
    report = a_report()
    training, synthetic = collections(report)
    case = report.cases[0]
    row = training.names.index(case.sight.nearest)
    synthetic.images[0, 0, :, :, 4:] = training.images[row, 0, :, :, 4:]
    (pair, *_) = closest_pairs(report, training, synthetic)
    assert pair.slice >= 4
    assert np.abs(pair.difference).max() < 0.5


def test_the_band_is_that_of_conformal_p_values() -> None:
    low, high = band(np.array([0.05, 0.5]), 200, 99)
    assert low[0] < 0.05 < high[0]
    inside = betabinom.cdf(high * 200, 200, [5, 50], [95, 50])
    inside -= betabinom.cdf(low * 200 - 1, 200, [5, 50], [95, 50])
    assert (inside >= 0.95).all()
    assert (inside < 0.98).all()


def test_numbers_are_told_as_people_write_them() -> None:
    assert [number(n) for n in (3, 12000, -2.345, math.inf, -math.inf, math.nan)] == [
        *("3", "12\u202f000", "−2.35", "∞", "−∞", "–")
    ]
    assert [share(s) for s in (0, 1, 0.05, 0.951, 0.0012)] == [
        *("0 %", "100 %", "5 %", "95.1 %", "0.12 %")
    ]
    assert [probability(p) for p in (0.0123, 0.00001)] == ["0.012", "1e-05"]
    assert interval(Interval(0.5, 0.4, 0.61)) == "0.50 (0.40 to 0.61)"
