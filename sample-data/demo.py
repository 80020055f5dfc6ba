"""The whole walk: segment a volume over HTTP, synthesize new ones, audit them, print the verdict.

All volumes are synthetic: those that an audit let out (make_sample_data.py puts them into the
folder synthetic), or where there are none, cases that are made on the way. The audit at the end
has no patients to compare with. Some sample volumes stand in for a training set, others for
held-out patients, and one of them is hidden among the new cases, shifted and with noise. This
shows how an audit works; it says nothing about the generator and its patients.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from monailabel.client import MONAILabelClient

from verisim.audit.folder_audit import FolderAudit, Source
from verisim.audit.gallery import closest_pairs
from verisim.audit.page import write_page
from verisim.audit.planting import KINDS
from verisim.audit.report import AuditReport, read_report
from verisim.audit.verdicts import Policy
from verisim.audit.verification import verify
from verisim.files import read, read_label_map, write
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.metrics import compare
from verisim.overlay import draw
from verisim.serving import Service, free_port, prepare_app, running
from verisim.synthesis import Synthesizer
from verisim.synthesis.case_set import CaseSet
from verisim.synthesis.synthesizer import wished

RELEASED = Path(__file__).parent / "synthetic"
MODEL, GENERATOR = "hippocampus-unet", "hippocampus-diffusion"
SAMPLES, TRAINING = 26, 16
"""Sample volumes, and how many stand in for a training set; the others for held-out patients."""

NEW, SEED = 3, 2
"""New cases, of another set than the sample volumes."""

PLANTED = ("copy", "noise 0.3", "shift 2", "flip")
"""Kinds of copies that the audit plants; a real one plants many more."""


@dataclass(frozen=True)
class Samples:
    """A folder of synthetic cases.

    Args:
        folder: As `verisim synthesize` and `verisim release` write it.
        names: Of the cases.
    """

    folder: Path
    names: Sequence[str]

    def image(self, case: str) -> Path:
        """Of a case."""
        return self.folder / "imagesTr" / f"{case}_0000.nii.gz"

    def label(self, case: str) -> Path:
        """Of a case."""
        return self.folder / "labelsTr" / f"{case}.nii.gz"


def main() -> None:
    """From a file to a picture, and from a generator to a verdict."""
    output = Path.cwd() / "demo"
    output.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        samples = released() if RELEASED.is_dir() else made(Path(folder) / "samples")
        segment(samples, output)
        report = audit(samples, Path(folder), output)
    for case in report.cases:
        print(f"{case.word:>10}  {case.name}: score {case.score:.1f}, p {case.p:.2f}")
    print(f"verdict: {report.sentence}")
    print("(of the sample volumes as stand-ins: the hidden copy was put there to be found)")
    print(f"wrote {output / 'audit' / 'report.html'}")


def released() -> Samples:
    """The sample volumes, as an audit let them out."""
    found = verify(RELEASED)
    if not found.holds:
        sys.exit(f"{RELEASED} is not what an audit let out: {found.flaws[0]}")
    print(f"{len(found.cases)} sample volumes, every certificate holds")
    print(f"their own audit: {read_report(RELEASED / 'audit.json').sentence}")
    return Samples(RELEASED, sorted(found.cases))


def made(folder: Path, seed: int = 0, count: int = SAMPLES) -> Samples:
    """New volumes of the shipped generator."""
    card = wished(find_card(GENERATOR, SHIPPED_MODELS), seed=seed)
    asked = time.perf_counter()
    CaseSet(folder, card).fill(Synthesizer(card), range(count))
    print(f"synthesized {count} cases in {time.perf_counter() - asked:.1f} s")
    return Samples(folder, sorted(path.stem for path in (folder / "provenance").iterdir()))


def segment(samples: Samples, output: Path) -> None:
    """Segment a sample volume over HTTP with the stock client, and draw the result."""
    case = samples.names[0]
    card = find_card(MODEL, SHIPPED_MODELS)
    with tempfile.TemporaryDirectory() as folder, server(samples.image(case), Path(folder)) as url:
        print(f"server ready at {url}")
        asked = time.perf_counter()
        answer, params = MONAILabelClient(url, tmpdir=folder).infer(
            MODEL, "volume", params={"result_extension": ".nii.gz"}
        )
        print(f"segmented {case} over HTTP in {time.perf_counter() - asked:.2f} s")
        label_map = read_label_map(Path(answer), card.labels)
    truth = read_label_map(samples.label(case), card.labels)
    for agreement in compare(label_map, truth):
        print(
            f"{agreement.label:>10}: Dice {agreement.dice:.3f}, "
            f"Hausdorff 95 {agreement.hausdorff95_mm:.1f} mm, {agreement.predicted_ml:.2f} ml"
        )
    for warning in params.get("warnings", []):
        print(warning)
    write(output / "label.seg.nrrd", label_map, card.colors)
    draw(output / "overlay.png", read(samples.image(case)), label_map, card.colors, truth)
    print(f"wrote {output / 'label.seg.nrrd'} and {output / 'overlay.png'}")


@contextmanager
def server(image: Path, folder: Path) -> Iterator[str]:
    """A running server on a copy of a volume; stopped when the block ends."""
    place(image, folder / "studies", "volume.nii.gz")
    service = Service(
        str(folder / "studies"), prepare_app(folder / "app"), folder / "models", port=free_port()
    )
    with running(service, folder / "server.log"):
        yield service.url


def audit(samples: Samples, folder: Path, output: Path) -> AuditReport:
    """Make new cases, hide a copy among them, and audit them against the sample volumes."""
    new = made(folder / "new", SEED, NEW)
    hide_a_copy(samples, new.folder)
    sides = {"training": samples.names[:TRAINING], "held-out": samples.names[TRAINING:]}
    for name, cases in sides.items():
        for case in cases:
            place(samples.image(case), folder / name / "imagesTr")
            place(samples.label(case), folder / name / "labelsTr")
        shutil.copy(samples.folder / "dataset.json", folder / name)
    asked = time.perf_counter()
    found = FolderAudit(
        training=Source(folder / "training"),
        held_out=Source(folder / "held-out"),
        synthetic=Source(new.folder),
        policy=Policy(plants=4),
        kinds=[kind for kind in KINDS if kind.name in PLANTED],
        stand_in=True,
    )()
    print(
        f"audited them in {time.perf_counter() - asked:.0f} s: {len(sides['training'])} sample "
        f"volumes stand in for a training set, {len(sides['held-out'])} for held-out patients"
    )
    pairs = closest_pairs(found.report, found.training, found.synthetic)
    found.report.write(output / "audit")
    write_page(output / "audit", found.report, pairs)
    return found.report


def hide_a_copy(samples: Samples, folder: Path) -> None:
    """Put a sample volume among new cases, shifted by two voxels and with noise."""
    case = samples.names[0]
    volume, label_map = read(samples.image(case)), read_label_map(samples.label(case))
    noise = np.random.default_rng(0).normal(0, 0.1 * volume.array.std(), volume.array.shape)
    copy = (np.roll(volume.array, 2, axis=1) + noise).astype(np.float32)
    write(folder / "imagesTr" / "hidden-copy_0000.nii.gz", volume.new(copy))
    moved = label_map.new(np.roll(label_map.array, 2, axis=1))
    write(folder / "labelsTr" / "hidden-copy.nii.gz", moved)


def place(path: Path, folder: Path, name: str = "") -> None:
    """Copy a file into a folder that may not exist yet."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder / (name or path.name))


if __name__ == "__main__":
    main()
