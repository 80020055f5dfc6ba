"""The whole walk: segment a volume over HTTP, synthesize a new one, audit it, print the verdict.

All volumes are synthetic ones that an audit let out (see make_sample_data.py). The audit at the
end has no patients to compare with: some of the released cases stand in for a training set, others
for held-out patients, and one of them is hidden, shifted and with noise, among the new cases. It
shows how an audit works; what the shipped generator does is told by the audit.json of the release.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from monailabel.client import MONAILabelClient

from verisim.audit.folder_audit import FolderAudit, Source
from verisim.audit.gallery import closest_pairs
from verisim.audit.page import write_page
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
TRAINING = 5
"""Released cases that stand in for a training set; the others stand in for held-out patients."""

NEW = 3
SEED = 1
"""Of the new cases: another set than the released one."""


def main() -> None:
    """From a file to a picture, and from a generator to a verdict."""
    output = Path.cwd() / "demo"
    output.mkdir(exist_ok=True)
    found = verify(RELEASED)
    if not found.holds:
        sys.exit(f"{RELEASED} is not what an audit let out: {found.flaws[0]}")
    print(f"{len(found.cases)} sample volumes, every certificate holds")
    print(f"their audit, against patients: {read_report(RELEASED / 'audit.json').sentence}")
    cases = sorted(found.cases)
    segment(cases[0], output)
    with tempfile.TemporaryDirectory() as folder:
        report = audit(cases, Path(folder), output)
    for case in report.cases:
        print(f"{case.word:>10}  {case.name}: score {case.score:.1f}, p {case.p:.2f}")
    print(f"verdict: {report.word}. {report.sentence}")
    print(f"wrote {output / 'audit' / 'report.html'}")


def segment(case: str, output: Path) -> None:
    """Segment a released volume over HTTP with the stock client, and draw the result."""
    card = find_card(MODEL, SHIPPED_MODELS)
    with tempfile.TemporaryDirectory() as folder, server(case, Path(folder)) as url:
        print(f"server ready at {url}")
        asked = time.perf_counter()
        answer, params = MONAILabelClient(url, tmpdir=folder).infer(
            MODEL, case, params={"result_extension": ".nii.gz"}
        )
        print(f"segmented {case} over HTTP in {time.perf_counter() - asked:.2f} s")
        label_map = read_label_map(Path(answer), card.labels)
    truth = read_label_map(label_of(case), card.labels)
    for agreement in compare(label_map, truth):
        print(
            f"{agreement.label:>10}: Dice {agreement.dice:.3f}, "
            f"Hausdorff 95 {agreement.hausdorff95_mm:.1f} mm, {agreement.predicted_ml:.2f} ml"
        )
    for warning in params.get("warnings", []):
        print(warning)
    write(output / "label.seg.nrrd", label_map, card.colors)
    draw(output / "overlay.png", read(image_of(case)), label_map, card.colors, truth)
    print(f"wrote {output / 'label.seg.nrrd'} and {output / 'overlay.png'}")


@contextmanager
def server(case: str, folder: Path) -> Iterator[str]:
    """A running server on a copy of a volume and its certificate; stopped when the block ends."""
    studies = folder / "studies"
    shutil.copytree(RELEASED / "certificates", studies / "certificates")
    shutil.copy(image_of(case), studies / f"{case}.nii.gz")
    service = Service(
        str(studies), prepare_app(folder / "app"), folder / "models", port=free_port()
    )
    with running(service, folder / "server.log"):
        yield service.url


def audit(cases: Sequence[str], folder: Path, output: Path) -> AuditReport:
    """Make new cases, hide a copy among them, and audit them against released ones."""
    card = find_card(GENERATOR, SHIPPED_MODELS)
    asked = time.perf_counter()
    card = wished(card, seed=SEED)
    CaseSet(folder / "new", card).fill(Synthesizer(card), range(NEW))
    print(f"synthesized {NEW} cases in {time.perf_counter() - asked:.1f} s")
    hide_a_copy(cases[0], folder / "new")
    for name, chosen in (("training", cases[:TRAINING]), ("held-out", cases[TRAINING:])):
        for case in chosen:
            place(image_of(case), folder / name / "imagesTr")
            place(label_of(case), folder / name / "labelsTr")
        shutil.copy(RELEASED / "dataset.json", folder / name)
    asked = time.perf_counter()
    found = FolderAudit(
        training=Source(folder / "training"),
        held_out=Source(folder / "held-out"),
        synthetic=Source(folder / "new"),
        policy=Policy(plants=TRAINING),
    )()
    print(
        f"audited them in {time.perf_counter() - asked:.0f} s, with {TRAINING} released cases for "
        f"the training set and {len(cases) - TRAINING} for held-out patients"
    )
    pairs = closest_pairs(found.report, found.training, found.synthetic)
    found.report.write(output / "audit")
    write_page(output / "audit", found.report, pairs)
    return found.report


def hide_a_copy(case: str, folder: Path) -> None:
    """Put a released case among new ones, shifted by two voxels and with noise."""
    volume = read(image_of(case))
    noise = np.random.default_rng(0).normal(0, 0.1 * volume.array.std(), volume.array.shape)
    copy = np.roll(volume.array, 2, axis=1) + noise
    write(folder / "imagesTr" / "hidden_copy_0000.nii.gz", volume.new(copy.astype(np.float32)))
    label_map = read_label_map(label_of(case))
    moved = label_map.new(np.roll(label_map.array, 2, axis=1))
    write(folder / "labelsTr" / "hidden_copy.nii.gz", moved)


def place(path: Path, folder: Path) -> None:
    """Copy a file into a folder that may not exist yet."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder)


def image_of(case: str) -> Path:
    """Of a released case."""
    return RELEASED / "imagesTr" / f"{case}_0000.nii.gz"


def label_of(case: str) -> Path:
    """Of a released case."""
    return RELEASED / "labelsTr" / f"{case}.nii.gz"


if __name__ == "__main__":
    main()
