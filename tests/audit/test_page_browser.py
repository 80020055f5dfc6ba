"""The page of an audit as a browser shows it: whole, readable, alone, and nobody's name in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.browser import NAMES, Browser, Page, found, opened, shown
from tests.audit.sets import Pearson
from tests.audit.test_folder_audit import write_slices
from verisim.audit.folder_audit import FolderAudit, Source
from verisim.audit.gallery import closest_pairs
from verisim.audit.page import write_page
from verisim.audit.planting import KINDS
from verisim.audit.strata import StratumRule
from verisim.audit.verdicts import Policy

pytestmark = pytest.mark.slow

SUBJECT = r"(.+)-\d+"
KNOWN, OTHER = "Mustermann_Erika", "Jedermann_Johanna"
"""How files of real cases are named where nobody took the patients' names off."""

WIDTHS = (1280, 420)
IMAGES = {"images": 32, "nameless": 0}
"""Pictures on each page: eight pairs of four, or none."""

HEADINGS = 8

CLIPPED = """[...document.querySelectorAll('body *')].filter(one =>
  ['hidden', 'clip'].includes(getComputedStyle(one).overflowX)
  && (one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight)
).map(one => one.outerHTML)"""

BESIDE = """[...document.querySelectorAll('h1, h2, h3, p, li, dt, dd, img, svg text, figcaption')]
.filter(one => {
  const box = one.getBoundingClientRect();
  return !box.width || !box.height || box.left < 0 || box.right > innerWidth;
}).map(one => one.outerHTML)"""
"""What should be seen, and is not, or not all of it."""

OVER_EACH_OTHER = """[...document.querySelectorAll('svg')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('text')].map(one => one.getBoundingClientRect());
  return texts.flatMap((a, k) => texts.slice(k + 1).filter(b => a.left < b.right
    && b.left < a.right && a.top < b.bottom && b.top < a.bottom)).map(() => svg.outerHTML);
})"""
"""Plots of which two words lie on each other."""

PALE = """(() => {
  const light = color => {
    const part = color.match(/[\\d.]+/g).slice(0, 3).map(n => n / 255)
      .map(n => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const behind = one => {
    const color = getComputedStyle(one).backgroundColor;
    return color.endsWith(', 0)') && one.parentElement ? behind(one.parentElement) : color;
  };
  return [...document.querySelectorAll('body *')].filter(one =>
    [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim())
    && one.getClientRects().length
  ).filter(one => {
    const style = getComputedStyle(one);
    const ink = light(one.closest('svg') ? style.fill : style.color);
    const paper = light(behind(one));
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05) < 4.5;
  }).map(one => one.outerHTML);
})()"""
"""Text of less contrast than WCAG 2.2 (1.4.3) asks for."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two pages of one audit: images/report.html, and nameless/report.html."""
    folder = tmp_path_factory.mktemp("audit")
    known = write_slices(folder / "known", KNOWN, 25, 2, 0)
    made = write_slices(folder / "made", "made", 12, 2, 2)
    copied = (known / f"{KNOWN}_3-0.png").read_bytes()
    (made / "a-case-with-a-name-that-is-longer-than-its-column-is-wide_99-0.png").write_bytes(
        copied
    )
    (made / "made_5-0.png").write_bytes(copied)
    audited = FolderAudit(
        Source(known, subject_pattern=SUBJECT),
        Source(write_slices(folder / "others", OTHER, 20, 2, 1), subject_pattern=SUBJECT),
        Source(made, subject_pattern=SUBJECT),
        StratumRule(pattern=r"-(\d+)", parts=0),
        Policy(plants=3),
        kinds=KINDS[:8],
    )(measures=[Pearson()])
    pairs = closest_pairs(audited.report, audited.training, audited.synthetic)
    write_page(folder / "images", audited.report, pairs)
    write_page(folder / "nameless", audited.report)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser; only where nobody asked for proof may there be none."""
    program = found()
    if program is None:
        said = f"This test needs one of {', '.join(NAMES)}: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)
    with opened(program, tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    """Of a desk's screen, and of a telephone's."""
    wide: int = request.param
    return wide


@pytest.fixture(params=sorted(IMAGES))
def kind(request: pytest.FixtureRequest) -> str:
    """With pictures of patients, or without."""
    name: str = request.param
    return name


@pytest.fixture
def page(browser: Browser, pages: Path, kind: str, width: int) -> Page:
    """One of the pages at one of the widths."""
    return shown(browser, pages / kind / "report.html", width)


def test_it_is_shown_whole_and_without_a_network(
    page: Page, kind: str, width: int, tmp_path: Path
) -> None:
    page.picture(tmp_path / f"{kind}-{width}.png")
    assert page.value("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    pictures = page.value("[...document.images].map(one => one.naturalWidth)")
    assert len(pictures) == IMAGES[kind]
    assert all(pictures)
    assert page.value("document.querySelectorAll('h2').length") >= HEADINGS
    for what in (BESIDE, CLIPPED, OVER_EACH_OTHER):
        assert page.value(what) == []
    asked = [one["request"]["url"] for one in page.events("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [page.value("location.href")]
    for complaint in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
        assert page.events(complaint) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_told_from_its_paper(page: Page, scheme: str) -> None:
    page.tell(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    dark = page.value("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    assert page.value(PALE) == []


def test_nobody_is_named(page: Page, pages: Path) -> None:
    # of a picture's letters any may come together by chance
    source = re.sub(r"base64,[^\"]+", "", page.value("document.documentElement.outerHTML"))
    assert "training 1" in source
    for name in (*KNOWN.split("_"), *OTHER.split("_"), str(pages), str(Path.home())):
        assert name not in source


def test_a_browser_that_finds_something_wrong_says_so(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "wrong.html"
    path.write_text(
        "<!doctype html><body style='background: #fff; color: #ccc'><h1>pale</h1>"
        "<p style='width: 3000px'>wide</p><p style='overflow: hidden; height: 3px'>cut</p>"
        "<svg><text y='9'>one</text><text y='9'>another</text></svg>"
        "<img src='https://example.org/a.png'><script>console.error('!'); nothing()</script>"
    )
    page = shown(browser, path, 420)
    assert page.value("document.documentElement.scrollWidth") > 420
    for what in (BESIDE, CLIPPED, OVER_EACH_OTHER, PALE):
        assert page.value(what)
    asked = [one["request"]["url"] for one in page.events("Network.requestWillBeSent")]
    assert "https://example.org/a.png" in asked
    for complaint in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
        assert page.events(complaint)
