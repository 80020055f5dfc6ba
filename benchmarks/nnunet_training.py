"""nnU-Net v2 and Verisim trained by themselves on the same cases for the same minutes.

    python benchmarks/nnunet_training.py DATASET --minutes M [--threads N] [--work FOLDER]

One after the other, on the processor: nnU-Net's own planner, preprocessing and trainer, its
schedule shortened to end in M minutes; and `verisim train DATASET --minutes M`, whose planning
and preprocessing are inside those minutes, while nnU-Net's are not. Both learn from four folds of
the split train and are watched by the fifth; the split val, which neither has seen, is segmented
by both, and the difference of the mean Dice is given with a paired bootstrap interval over
subjects. The work folder keeps models, label maps and logs; what is finished there is not done
again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table

from beside_nnunet.measuring import keep_to, processors
from beside_nnunet.training import Contest, answers, train_nnunet, train_verisim
from verisim.dataset import Case, open_dataset
from verisim.files import read_label_map
from verisim.files.atomic import make_folder, replacing
from verisim.metrics import Interval, bootstrap_mean, dice

TOLERANCE = 0.003
"""Mean Dice by which Verisim may be lower."""

Scores = Mapping[str, Mapping[str, float]]
"""Case to label to Dice."""


@dataclass(frozen=True)
class Outcome:
    """Both on the test cases.

    Args:
        mirroring: Whether both averaged over mirror images.
        nnunet: Dice of each label of each case.
        verisim: Likewise.
        difference: Verisim's mean Dice of a case less nnU-Net's, over subjects.
    """

    mirroring: bool
    nnunet: Scores
    verisim: Scores
    difference: Interval

    @property
    def holds(self) -> bool:
        """Whether ours is not lower by more than the tolerance."""
        return self.difference.mean >= -TOLERANCE


def main() -> None:
    """Train both, ask both, print the table."""
    arguments = _arguments()
    keep_to(arguments.threads)
    make_folder(arguments.work)
    contest = Contest(
        arguments.dataset.resolve(),
        open_dataset(arguments.dataset),
        arguments.fold,
        arguments.minutes,
        arguments.threads,
        arguments.work.resolve(),
    )
    model_folder = train_nnunet(contest)
    card = train_verisim(contest)
    outcomes = []
    for mirroring in (False, True):
        theirs, ours = answers(contest, model_folder, card, mirroring)
        both = scores(theirs, contest), scores(ours, contest)
        outcomes.append(Outcome(mirroring, *both, difference(*both, contest.tested)))
    _write(contest, outcomes)
    _print(contest, outcomes)


def scores(folder: Path, contest: Contest) -> Scores:
    """Dice of every label of every test case, from the label maps in a folder."""
    labels, found = contest.dataset.labels, {}
    for case in contest.tested:
        truth = case.label_map(labels).array
        answer = read_label_map(folder / f"{case.name}.nii.gz", labels).array
        found[case.name] = {name: dice(answer == v, truth == v) for name, v in labels.items()}
    return found


def difference(nnunet: Scores, verisim: Scores, cases: Sequence[Case]) -> Interval:
    """Verisim less nnU-Net: the mean Dice of each case, with an interval over subjects."""
    values = [_mean(verisim[c.name].values()) - _mean(nnunet[c.name].values()) for c in cases]
    return bootstrap_mean(values, [case.subject for case in cases])


def label_means(found: Scores) -> dict[str, float]:
    """Mean Dice of each label over the cases, and of all labels."""
    labels = next(iter(found.values()))
    means = {label: _mean(dices[label] for dices in found.values()) for label in labels}
    return means | {"mean": fmean(means.values())}


def _mean(values: Sequence[float]) -> float:
    """Of the labels that are there; a label that neither has counts for nothing."""
    known = [value for value in values if not isnan(value)]
    return fmean(known) if known else float("nan")


def _print(contest: Contest, outcomes: Sequence[Outcome]) -> None:
    labels = [*contest.dataset.labels, "mean"]
    table = Table("model", "mirroring", *labels, title=f"Dice on {len(contest.tested)} cases")
    for outcome in outcomes:
        for name, found in (("nnU-Net", outcome.nnunet), ("Verisim", outcome.verisim)):
            means = label_means(found)
            mirroring = "yes" if outcome.mirroring else "no"
            table.add_row(name, mirroring, *(f"{means[label]:.4f}" for label in labels))
    console = Console()
    console.print(table)
    for outcome in outcomes:
        found = outcome.difference
        console.print(
            f"{'with' if outcome.mirroring else 'without'} mirroring Verisim − nnU-Net = "
            f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f}, 95 % over subjects): "
            f"{'holds' if outcome.holds else 'FAILS'}: not lower by more than {TOLERANCE}"
        )
    for name, seconds in _seconds(contest).items():
        console.print(f"{name}: {seconds:.0f} s, {contest.threads} threads")


def _seconds(contest: Contest) -> dict[str, float]:
    names = ("nnunet_preprocessing", "nnunet_training", "verisim_training")
    files = {name: contest.work / f"{name}.json" for name in names}
    return {name: json.loads(path.read_text())["seconds"] for name, path in files.items()}


def _write(contest: Contest, outcomes: Sequence[Outcome]) -> None:
    found = {
        "minutes": contest.minutes,
        "threads": contest.threads,
        "learned_from": [case.name for case in contest.teaching],
        "watched_by": [case.name for case in contest.watching],
        "seconds": _seconds(contest),
        "outcomes": [asdict(outcome) | {"holds": outcome.holds} for outcome in outcomes],
    }
    with replacing(contest.work / "result.json") as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("dataset", type=Path, help="a labelled data set with the splits train and val")
    add("--minutes", type=float, required=True, help="of each training")
    add("--threads", type=int, default=processors(), help="of either side [%(default)s]")
    add(
        "--fold",
        choices=["none", *"01234"],
        default="0",
        help="of train; none: learn from all of it, watched by val, by which Verisim also "
        "chooses its best weights [%(default)s]",
    )
    add("--work", type=Path, default=Path("runs/beside-nnunet"), help="folder [%(default)s]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
