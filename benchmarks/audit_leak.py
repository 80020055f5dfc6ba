"""Training volumes hidden among synthetic ones: are they found, ranked first, and named?

    python benchmarks/audit_leak.py DATASET -o FOLDER [--cases 200] [--leaks 3]

Fresh cases of the shipped generator (`verisim synthesize hippocampus-diffusion`), and among them
training volumes of DATASET, changed a little, as nobody's files. Then the audit by folders, as
`verisim audit` does it, and the gate. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table
from scipy import ndimage

from verisim.audit.correlation import Correlation
from verisim.audit.folder_audit import FolderAudit, Source
from verisim.audit.release import release
from verisim.audit.report import AuditReport
from verisim.audit.verdicts import Policy
from verisim.audit.verification import verify
from verisim.card import ModelCard
from verisim.dataset import Case, open_dataset
from verisim.errors import Unreleased
from verisim.files import write
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.synthesis.case_set import CaseSet
from verisim.synthesis.synthesizer import Synthesizer
from verisim.volume import Volume


@dataclass
class Shown:
    """Progress on the terminal.

    Args:
        bar: Of rich.
    """

    bar: Bar

    def __post_init__(self) -> None:
        self.task = self.bar.add_task("audit")

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Draw how far it is."""
        self.bar.update(self.task, completed=done, total=total, description=message)


def main() -> None:
    """Hide, audit, release, and say what was found."""
    asked = _arguments().parse_args()
    console = Console(width=150)
    dataset = open_dataset(asked.dataset)
    card = find_card(asked.generator, SHIPPED_MODELS, SHIPPED_MODELS)
    made = asked.output / "synthetic"
    training = dataset.split("train")
    with Bar(console=Console(stderr=True)) as bar:
        CaseSet(made, card, "nifti").fill(Synthesizer(card), range(asked.cases), [], Shown(bar))
        hidden = hide(training, card, made, asked.leaks, asked.seed)
        audit = FolderAudit(
            training=Source(asked.dataset, "train"),
            held_out=Source(asked.dataset, "val"),
            synthetic=Source(made),
            policy=Policy(plants=asked.plants),
            work=asked.output / "work",
            stand_in=asked.stand_in,
        )
        chosen = (Correlation(),) if asked.plain else ()
        started = time.monotonic()
        report = audit(Shown(bar), measures=chosen).report
    report.write(asked.output / "audit")
    console.print(_table(report, hidden))
    console.print(report.sentence, *report.reasons, sep="\n")
    console.print(f"{(time.monotonic() - started) / 60:.1f} minutes")
    console.print(_gate(asked.output, made, hidden))
    sys.exit(0 if found(report, hidden) else 1)


def hide(
    training: Sequence[Case], card: ModelCard, folder: Path, count: int, seed: int
) -> dict[str, str]:
    """Put changed training cases among the synthetic ones, under names like theirs.

    Returns:
        Name of each among the synthetic cases, and of the training case.
    """
    draw = np.random.default_rng(seed)
    chosen = draw.choice(len(training), count, replace=False)
    names = {}
    for k, row in enumerate(chosen):
        volume, label_map = training[row].pair(card.labels)
        name = f"synthetic_{card.name}-v{card.version}_s0_{90_000 + k:05d}"
        array = np.asarray(volume.array, np.float64)
        mild = ndimage.gaussian_filter(array, 0.5)
        mild += 0.1 * array.std() * draw.normal(size=array.shape)
        mild = (mild - mild.min()) / np.ptp(mild) * 1000
        write(
            folder / "imagesTr" / f"{name}_0000.nii.gz",
            Volume(mild.astype(np.int16), volume.affine),
        )
        write(folder / "labelsTr" / f"{name}.nii.gz", label_map)
        names[name] = training[row].name
    return names


def found(report: AuditReport, hidden: dict[str, str]) -> bool:
    """Whether exactly the hidden cases come first, are blocked, and are named."""
    first = report.cases[: len(hidden)]
    return {case.name: case.sight.nearest for case in first} == hidden and all(
        case.word == "block" for case in first
    )


def _gate(folder: Path, made: Path, hidden: dict[str, str]) -> str:
    out = folder / "released"
    shutil.rmtree(out, ignore_errors=True)
    try:
        release(folder / "audit", made, out)
        refused = "The gate let the whole set out."
    except Unreleased as error:
        refused = f"The gate refuses the set: {error.message.partition(':')[0]}."
    released = release(folder / "audit", made, out, rest=True)
    left = sorted(set(hidden) & set(released.cases))
    checked = verify(out)
    return (
        f"{refused}\nWith --rest {len(released.cases)} left, {len(released.withheld)} stayed; "
        f"leaks among those that left: {left or 'none'}. Verified: {len(checked.cases)} cases, "
        f"{checked.files} files, {len(checked.flaws)} flaws"
    )


def _table(report: AuditReport, hidden: dict[str, str]) -> Table:
    table = Table("rank", "case", "hidden copy of", "named", "seen by", "score", "p", "verdict")
    for rank, case in enumerate(report.cases[: len(hidden) + 4], start=1):
        table.add_row(
            str(rank),
            case.name,
            hidden.get(case.name, ""),
            case.sight.nearest,
            case.measure,
            f"{case.score:.2f}",
            f"{case.p:.3f}",
            case.word,
        )
    return table


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--generator", default="hippocampus-diffusion")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--leaks", type=int, default=3)
    parser.add_argument("--plants", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="By plain correlation alone: fast.")
    parser.add_argument(
        "--held-out-only",
        dest="stand_in",
        action="store_false",
        help="Do without training patients as stand-ins for held-out ones.",
    )
    return parser


if __name__ == "__main__":
    main()
