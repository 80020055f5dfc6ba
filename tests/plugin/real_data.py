"""What the stories put on the real server: sample cases as patients, and further models."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from tests.plugin.real_server import ROOT

SAMPLES = ROOT / "sample-data" / "synthetic"
KNOWN = 6
"""Of the sample cases play training patients, the others held-out ones."""

PAIR, SMALL = "hippocampus-pair", "hippocampus-small"
"""Models that `further_models.py` writes: of two channels, and one that has learned nothing."""


def data_sets(folder: Path) -> Path:
    """Two data sets of patients, known and others."""
    images = sorted((SAMPLES / "imagesTr").glob("*.nii.gz"))
    _data_set(folder / "known", images[:KNOWN])
    _data_set(folder / "others", images[KNOWN:])
    return folder


def _data_set(folder: Path, images: list[Path]) -> None:
    """Sample cases as a data set of patients: without the record that they are synthetic."""
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True)
    for k, image in enumerate(images):
        name = image.name.replace("_0000.nii.gz", ".nii.gz")
        shutil.copy(image, folder / "imagesTr" / f"{folder.name}_{k:03}_0000.nii.gz")
        shutil.copy(
            SAMPLES / "labelsTr" / name, folder / "labelsTr" / f"{folder.name}_{k:03}.nii.gz"
        )
    described = json.loads((SAMPLES / "dataset.json").read_text())
    kept = {k: described[k] for k in ("channel_names", "labels", "file_ending") if k in described}
    kept["numTraining"] = len(images)
    (folder / "dataset.json").write_text(json.dumps(kept))


def further_models(models: Path) -> Path:
    """A folder of models with PAIR and SMALL."""
    subprocess.run(
        [ROOT / ".venv" / "bin" / "python", Path(__file__).with_name("further_models.py"), models],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    return models


def a_key(folder: Path) -> tuple[Path, str]:
    """A file of keys with one of an admin, and the key."""
    key = f"verisim_{secrets.token_urlsafe(32)}"
    path = folder / "keys"
    path.write_text(f"steward admin sha256:{hashlib.sha256(key.encode()).hexdigest()}\n")
    path.chmod(0o600)
    return path, key


def released_cases(studies: Path, count: int) -> list[str]:
    """The last sample cases, which an audit let out, as unlabelled studies; returns their ids."""
    names = []
    (studies / "certificates").mkdir(exist_ok=True)
    for image in sorted((SAMPLES / "imagesTr").glob("*.nii.gz"))[-count:]:
        case = image.name.removesuffix("_0000.nii.gz")
        shutil.copy(SAMPLES / "certificates" / f"{case}.json", studies / "certificates")
        names.append(f"case_{case[-3:]}")
        shutil.copy(image, studies / f"{names[-1]}.nii.gz")
    return names
