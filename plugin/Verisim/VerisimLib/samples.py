"""Cases that come with the extension, for Slicer's module Sample Data: nobody's, no network."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

CATEGORY = "Verisim"
ENDING = "_0000.nii.gz"


@dataclass(frozen=True)
class Sample:
    """A volume in `Resources/SampleData`.

    Args:
        title: Below its picture, and of the volume in the scene.
        case: Its name among the released cases.
        sha256: Of its file.
    """

    title: str
    case: str
    sha256: str

    @property
    def file(self) -> str:
        """Its name in the folder."""
        return self.case + ENDING


SAMPLES = (
    Sample(
        "SYNTHETIC hippocampus 1",
        "synthetic_hippocampus-diffusion-v3_s0_00000",
        "05707c45b668a307e0b812b2fcf486730460a28215af048b464545fe4656b6fb",
    ),
    Sample(
        "SYNTHETIC hippocampus 2",
        "synthetic_hippocampus-diffusion-v3_s0_00001",
        "8b375e1d1eca5b9423e3dbd7469a832afbc295d6347753d95592db8f9f4d0d78",
    ),
)


def offer(resources: Path) -> bool:
    """Offer the cases in the module Sample Data; whether this Slicer has that module.

    Args:
        resources: The folder `Resources` of the extension.
    """
    try:
        sample_data = importlib.import_module("SampleData")
    except ImportError:
        return False
    for sample in SAMPLES:
        sample_data.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=sample.title,
            uris=(resources / "SampleData" / sample.file).resolve().as_uri(),
            fileNames=sample.file,
            nodeNames=sample.title,
            checksums=f"SHA256:{sample.sha256}",
            thumbnailFileName=str(picture(resources, sample)),
        )
    return True


def picture(resources: Path, sample: Sample) -> Path:
    """Where the picture of a case lies."""
    return resources / "Icons" / f"{sample.case}.png"
