"""Make the sample data: cases of the shipped generator that an audit let out.

VERISIM_DATA=… python sample-data/make_sample_data.py

The audit needs the real cases that the generator learned from (task 04 of the Medical
Segmentation Decathlon in the folder hippocampus of VERISIM_DATA, with its splits.json); nothing of
them comes into this folder. What was begun in --work is continued. The studies are copies of
released files.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
from pathlib import Path

from verisim.audit.folder_audit import FolderAudit, Source
from verisim.audit.page import write_page
from verisim.audit.release import release
from verisim.audit.report import AuditReport
from verisim.audit.verdicts import Policy
from verisim.audit.verification import verify
from verisim.devices import choose
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.synthesis import Synthesizer
from verisim.synthesis.case_set import CaseSet, Format

GENERATOR = "hippocampus-diffusion"

STUDIES = 2
"""Cases in the folder of studies; the first of them has its final label."""

NEIGHBOURS = {299: 245, 300: 245}
"""Scans of a patient who has another number, too."""


class Told:
    """Prints every tenth of the way."""

    def __init__(self, what: str) -> None:
        self.what, self.tenth = what, -1

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Print how far it is."""
        tenth = 10 * done // max(total, 1)
        if tenth > self.tenth:
            self.tenth = tenth
            print(f"{self.what}: {10 * tenth} % {message}", flush=True)


def main() -> None:
    """Make, audit and let out volumes, then one of them as a DICOM series; lay out studies."""
    parser = argparse.ArgumentParser(description="Make the sample data.")
    parser.add_argument("--count", type=int, default=26, help="how many cases are made")
    parser.add_argument("--plants", type=int, default=12, help="planted copies of each kind")
    parser.add_argument("--work", type=Path, default=Path("build/sample-data"))
    arguments = parser.parse_args()
    real, work, here = Path(os.environ["VERISIM_DATA"]), arguments.work, Path(__file__).parent
    work.mkdir(parents=True, exist_ok=True)
    numbers = range(arguments.count)
    passed = made(numbers, "nifti", real / "hippocampus", work, arguments.plants)
    numbers = [int(passed[0].rpartition("_")[2])]
    made(numbers, "dicom", real / "hippocampus", work, arguments.plants)
    for kind, target in (("nifti", here / "synthetic"), ("dicom", here / "synthetic-dicom")):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(work / "released" / kind, target)
        print(f"{target}: {len(verify(target).cases)} cases")
    write_studies(here / "synthetic", here / "studies")


def made(
    numbers: range | list[int], kind: Format, real: Path, work: Path, plants: int
) -> tuple[str, ...]:
    """Make cases, audit them and let out those that pass; returns their names."""
    card = find_card(GENERATOR, SHIPPED_MODELS)
    folder = work / kind
    synthesizer = Synthesizer(card, choose("cpu"), "single")
    CaseSet(folder, card, kind).fill(synthesizer, numbers, progress=Told(f"making {kind}"))
    report = audited(folder, real, work, plants)
    report.write(work / "audit" / kind)
    write_page(work / "audit" / kind, report)
    print(report.sentence)
    target = work / "released" / kind
    shutil.rmtree(target, ignore_errors=True)
    return release(work / "audit" / kind, folder, target).cases


def write_studies(released: Path, studies: Path) -> None:
    """Copy released cases to where a MONAI Label server looks for them, in place of earlier ones.

    Their certificates go along, since the server learns from no synthetic case without one.

    Args:
        released: Folder that `verisim release` wrote; its first cases are taken.
        studies: Folder of images, with `labels/final` and `certificates` in it.
    """
    shutil.rmtree(studies, ignore_errors=True)
    for position, case in enumerate(verify(released).cases[:STUDIES]):
        name = f"synthetic_{int(case.rpartition('_')[2]):03d}"
        copied = {
            f"imagesTr/{case}_0000.nii.gz": f"{name}.nii.gz",
            f"certificates/{case}.json": f"certificates/{name}.json",
        }
        if position == 0:
            copied[f"labelsTr/{case}.nii.gz"] = f"labels/final/{name}.nii.gz"
        for source, target in copied.items():
            (studies / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(released / source, studies / target)


def audited(folder: Path, real: Path, work: Path, plants: int) -> AuditReport:
    """The report on a folder; what several audits have in common is computed once."""
    table = subjects(real, work / "subjects.csv")
    audit = FolderAudit(
        training=Source(real, "train", subject_table=table),
        held_out=Source(real, "val", subject_table=table),
        synthetic=Source(folder),
        policy=Policy(plants=plants),
        work=work / "scores",
        stand_in=True,
    )
    return audit(Told(f"auditing {folder.name}")).report


def subjects(real: Path, path: Path) -> Path:
    """Write whose scan each case is: numbers 2k - 1 and 2k are the two sides of one."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "subject"])
        for image in sorted((real / "imagesTr").glob("*.nii.gz")):
            name = image.name.removesuffix(".nii.gz")
            number = int(name.rpartition("_")[2])
            writer.writerow([name, f"patient_{(NEIGHBOURS.get(number, number) + 1) // 2}"])
    return path


if __name__ == "__main__":
    main()
