"""A perfect generator passes, a copy is found and named, a stopped audit goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.audit.sets import Pearson, PearsonIndex, cases, copied, normalized, together
from verisim.audit.asking import Asking
from verisim.audit.auditor import Auditor
from verisim.audit.collection import Collection
from verisim.audit.kept_scores import MANIFEST
from verisim.audit.likeness import Likeness
from verisim.audit.measure import Matches
from verisim.audit.measures import default_measures
from verisim.audit.planting import KINDS
from verisim.audit.verdicts import Policy
from verisim.errors import BadDataset, BadInput, Cancelled
from verisim.progress import SILENT, Progress

PLAIN = tuple(kind for kind in KINDS if kind.name in ("copy", "noise 0.3", "flip"))
NOTHING = tuple(kind for kind in KINDS if kind.name == "copy")
DAY = date(2025, 1, 31)


def auditor(
    training: Collection, held_out: Collection, stand_in: bool = False, **others: object
) -> Auditor:
    """With plain correlation."""
    whole = Auditor(training, held_out, [Pearson()], kinds=PLAIN, made=DAY, stand_in=stand_in)
    return replace(whole, **others)  # type: ignore[arg-type]


def test_a_perfect_generator_passes_in_95_of_100_runs() -> None:
    passed = 0
    policy = Policy(plants=2)
    for seed in range(200):
        training, held_out = cases("t", 40, 3 * seed), cases("h", 30, 3 * seed + 1)
        made = cases("s", 60, 3 * seed + 2)
        report = auditor(training, held_out, policy=policy, kinds=NOTHING)(made)
        passed += report.word == "pass"
    assert passed >= 190


def test_a_leak_is_blocked_ranked_first_and_named() -> None:
    training, held_out = cases("t", 60, 0, each=2), cases("h", 40, 1)
    made = together(cases("s", 80, 2), copied(training, [4, 17, 60]))
    report = auditor(training, held_out)(made)
    assert report.word == "block"
    assert {case.name for case in report.cases[:3]} == {"leak_4", "leak_17", "leak_60"}
    for case in report.cases[:3]:
        row = int(case.name.removeprefix("leak_"))
        assert case.word == "block"
        assert case.sight.nearest == training.names[row]
    assert all(case.word == "pass" for case in report.cases[3:])
    assert report.discovery is not None
    assert report.discovery.patients[-1] == 3
    assert report.advice


def test_a_generator_that_returns_training_cases_is_blocked() -> None:
    training = cases("t", 60, 0)
    report = auditor(training, cases("h", 40, 1))(copied(training, range(60), noise=0.8))
    assert report.word == "block"
    assert report.statement.p < 0.01
    assert report.statement.excess.low > 0.001


def test_blind_spots_are_said() -> None:
    report = auditor(cases("t", 60, 0), cases("h", 40, 1))(cases("s", 50, 2))
    assert report.blind_spots == ("flip",)
    assert "flip" in report.sentence
    assert {one.kind: one.named for one in report.recalls}["copy"] == 12


def test_an_audit_that_finds_no_plain_copy_blocks() -> None:
    @dataclass(frozen=True)
    class Deaf:
        name: str = "deaf"

        def prepared(self, training: Collection, progress: Progress = SILENT) -> DeafIndex:
            return DeafIndex()

    class DeafIndex:
        def __call__(
            self,
            queries: Collection,
            progress: Progress = SILENT,
            *,
            not_of: Sequence[str] | None = None,
        ) -> Matches:
            found = PearsonIndex(queries, np.zeros((1, 36)))(queries)
            scores = np.random.default_rng(len(queries)).normal(size=len(queries))
            return Matches("deaf", scores, found.nearest, found.alignments)

    report = auditor(cases("t", 60, 0), cases("h", 40, 1), measures=[Deaf()])(cases("s", 50, 2))
    assert report.word == "block"
    assert any("audit itself" in reason for reason in report.reasons)


def test_the_same_seed_gives_the_same_report_and_so_do_many_workers() -> None:
    training, held_out, made = cases("t", 70, 0), cases("h", 40, 1, each=3), cases("s", 150, 2)
    once = auditor(training, held_out)(made)
    with ThreadPoolExecutor(4) as executor:
        spread = auditor(training, held_out, executor=executor)(made)
    assert once == auditor(training, held_out)(made) == spread


@dataclass
class StoppedAfter:
    """Progress that cancels."""

    left: int

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear one step less."""
        self.left -= 1
        if self.left < 0:
            raise Cancelled("Stopped.")


def test_a_stopped_audit_goes_on_and_gives_the_identical_report(tmp_path: Path) -> None:
    training, held_out, made = cases("t", 70, 0), cases("h", 40, 1), cases("s", 150, 2)
    whole = auditor(training, held_out)(made)
    ours = auditor(training, held_out, work=tmp_path)
    with pytest.raises(Cancelled):
        ours(made, StoppedAfter(6))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert kept
    assert ours(made) == whole
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_all_kept_needs_no_index(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Tired(Pearson):
        def prepared(self, training: Collection, progress: Progress = SILENT) -> PearsonIndex:
            raise AssertionError("prepared again")

        def __repr__(self) -> str:
            return repr(Pearson())

    training, held_out, made = cases("t", 30, 0), cases("h", 20, 1), cases("s", 9, 2)
    first = auditor(training, held_out, work=tmp_path)(made)
    assert auditor(training, held_out, work=tmp_path, measures=[Tired()])(made) == first


def test_a_damaged_file_of_scores_is_computed_again(tmp_path: Path) -> None:
    training, held_out, made = cases("t", 30, 0), cases("h", 20, 1), cases("s", 9, 2)
    ours = auditor(training, held_out, work=tmp_path)
    first = ours(made)
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(path.read_bytes()[:40])
    assert ours(made) == first


def test_a_changed_training_case_is_refused_by_name(tmp_path: Path) -> None:
    training, held_out, made = cases("t", 30, 0), cases("h", 20, 1), cases("s", 9, 2)
    auditor(training, held_out, work=tmp_path)(made)
    assert (tmp_path / MANIFEST).is_file()
    training.images[7] += 1
    with pytest.raises(BadDataset, match=f"{training.names[7]} is not what it was"):
        auditor(training, held_out, work=tmp_path)(made)


def test_too_few_held_out_patients_are_refused_with_the_rule() -> None:
    with pytest.raises(BadInput, match=r"18 held-out .* 1/19.*Hold out 1 more"):
        auditor(cases("t", 30, 0), cases("h", 18, 1, each=3))


def test_training_patients_stand_in_for_held_out_ones_that_are_few() -> None:
    policy = Policy(plants=2)
    passed = 0
    for seed in range(40):
        training, held_out = cases("t", 40, 3 * seed, each=2), cases("h", 5, 3 * seed + 1)
        made = cases("s", 60, 3 * seed + 2)
        ours = auditor(training, held_out, policy=policy, kinds=NOTHING, stand_in=True)
        report = ours(made)
        passed += report.word == "pass"
    assert passed >= 36
    assert report.stand_ins == 40
    assert report.strata[0].held_out_patients == 45
    assert ours(copied(training, [3])).word == "block"


def test_what_learns_from_training_patients_takes_no_stand_ins() -> None:
    with pytest.raises(BadInput, match="embedding learns"):
        Auditor(cases("t", 30, 0), cases("h", 20, 1), [Likeness()], stand_in=True)


@dataclass(frozen=True)
class Texture(Pearson):
    """Plain correlation under the name of the measure that tells twins."""

    def prepared(self, training: Collection, progress: Progress = SILENT) -> PearsonIndex:
        """See `Measure`."""
        return TextureIndex(training, normalized(training))


class TextureIndex(PearsonIndex):
    """See `PearsonIndex`."""

    def __call__(
        self,
        queries: Collection,
        progress: Progress = SILENT,
        *,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """See `Index`."""
        return replace(super().__call__(queries, progress, not_of=not_of), measure="texture")


def test_held_out_cases_that_were_trained_on_are_named_and_no_yardstick() -> None:
    training = cases("t", 60, 0)
    held_out = together(cases("h", 40, 1), copied(training, [9]))
    ours = auditor(training, held_out, measures=[Texture("texture")])
    report = ours(together(cases("s", 60, 2), copied(training, [5, 6])))
    assert [(leak.first, leak.second) for leak in report.hygiene.leaks] == [("leak_9", "t_9_0")]
    assert report.strata[0].held_out_patients == 40
    assert {case.name for case in report.flagged} == {"leak_5", "leak_6"}


def test_twins_among_training_patients_are_named() -> None:
    training = together(cases("t", 60, 0), copied(cases("t", 60, 0), [9, 12]))
    report = auditor(training, cases("h", 40, 1), measures=[Texture("texture")])(cases("s", 9, 2))
    assert report.hygiene.clusters == (("leak_12", "t_12_0"), ("leak_9", "t_9_0"))
    assert report.hygiene.leaks == ()


@pytest.mark.slow
def test_answers_are_kept_under_the_same_key_in_every_process() -> None:
    program = (
        "from tests.audit.sets import cases\n"
        "from verisim.audit.asking import Asking\n"
        "from verisim.audit.measures import default_measures\n"
        "made = cases('t', 4, 0)\n"
        "for measure in default_measures(masked=True):\n"
        "    print(Asking(measure, made).key_of(made, None))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    made = cases("t", 4, 0)
    here = [Asking(one, made).key_of(made, None) for one in default_measures(masked=True)]
    assert ran.stdout.decode().split() == here
    assert len(set(here)) == len(here)


def test_shared_patients_are_refused() -> None:
    training = cases("t", 30, 0)
    with pytest.raises(BadDataset, match="t_0"):
        auditor(training, training)


def test_one_training_patient_is_refused() -> None:
    with pytest.raises(BadInput, match="one patient"):
        auditor(cases("t", 1, 0, each=4), cases("h", 20, 1))


def test_no_measure_is_refused() -> None:
    with pytest.raises(BadInput, match="No measure"):
        auditor(cases("t", 30, 0), cases("h", 20, 1), measures=[])


def test_other_shapes_and_empty_sets_are_refused() -> None:
    ours, made = auditor(cases("t", 30, 0), cases("h", 20, 1)), cases("s", 3, 2)
    with pytest.raises(BadInput, match="grid"):
        ours(replace(made, images=made.images[:, :, :4]))
    with pytest.raises(BadInput, match="no synthetic case"):
        ours(made.subset([]))
