"""A folder of synthetic cases that any training program reads as a data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from verisim.card import ModelCard
from verisim.errors import BadInput
from verisim.files import dicom_synthetic, nifti, nrrd, read, read_label_map, write
from verisim.files.atomic import clear_unfinished, make_folder, replacing
from verisim.files.marks import MARK
from verisim.montage import MOST_CASES, draw_cases
from verisim.progress import SILENT, Progress
from verisim.synthesis.provenance import Provenance
from verisim.synthesis.synthesizer import Synthesizer, SyntheticCase
from verisim.volume import LabelMap, Volume

Format = Literal["nifti", "nrrd", "dicom"]
"""Of the images; label maps of DICOM series are NIfTI."""

SUFFIXES = {"nifti": ".nii.gz", "nrrd": ".nrrd", "dicom": ".nii.gz"}


@dataclass(frozen=True)
class CaseSet:
    """The folder `imagesTr`, `labelsTr`, `provenance` and `dataset.json`.

    Args:
        folder: Where they are.
        card: The generator.
        kind: How images are written.
    """

    folder: Path
    card: ModelCard
    kind: Format = "nifti"

    def fill(
        self,
        synthesizer: Synthesizer,
        numbers: Sequence[int],
        label_maps: Sequence[LabelMap] = (),
        progress: Progress = SILENT,
    ) -> list[Path]:
        """Make and write those cases that are not there; see `Synthesizer`.

        Returns:
            The images that were written.

        Raises:
            BadInput: A case of such a name was made otherwise.
        """
        self.clear()
        wanted = [k for k in numbers if not self.has(synthesizer.provenance(k, label_maps))]
        return [self.add(case) for case in synthesizer(wanted, label_maps, progress)]

    def has(self, provenance: Provenance) -> bool:
        """Whether a case is there already, made by the same words.

        Raises:
            BadInput: A case of that name was made otherwise.
        """
        path = self._provenance(provenance)
        if not path.is_file():
            return False
        if path.read_text(encoding="utf-8") != provenance.to_json():
            raise BadInput(
                f"{path} tells of another case of the same name.",
                "Write into an empty folder, or ask for other numbers or another seed.",
            )
        return True

    def add(self, case: SyntheticCase) -> Path:
        """Write a case; its provenance last, so that a case that is there is whole.

        Returns:
            Its image, a file or a folder.

        Raises:
            StorageFailed: The disk refused.
        """
        about = case.provenance
        for name in ("imagesTr", "labelsTr", "provenance"):
            make_folder(self.folder / name)
        images = self.folder / "imagesTr"
        written = images / about.name
        for k, volume in enumerate(_channels(case.volume)):
            written = self._image(images, volume, f"{about.name}_{k:04}", about)
        label = self.folder / "labelsTr" / f"{about.name}{SUFFIXES[self.kind]}"
        if self.kind == "nrrd":
            write(label, case.label_map)
        else:
            nifti.write(label, case.label_map, about.description)
        path = self._provenance(about)
        with replacing(path) as temporary:
            temporary.write_text(about.to_json(), encoding="utf-8")
        self._describe()
        return written

    def draw(self, path: Path) -> None:
        """Draw the cases beside each other, at most as many as a person looks at."""
        pairs = []
        for label in sorted((self.folder / "labelsTr").iterdir())[:MOST_CASES]:
            (image,) = (self.folder / "imagesTr").glob(f"{label.name.split('.')[0]}_0000*")
            pairs.append((read(image), read_label_map(label, self.card.labels)))
        draw_cases(path, pairs, self.card.colors)

    def clear(self) -> None:
        """Remove what an interrupted run left half-written."""
        for name in ("imagesTr", "labelsTr", "provenance", "."):
            clear_unfinished(self.folder / name)

    def _image(self, folder: Path, volume: Volume, name: str, about: Provenance) -> Path:
        if self.kind == "dicom":
            dicom_synthetic.write(folder / name, volume, about.description, about.to_json())
            return folder / name
        path = folder / f"{name}{SUFFIXES[self.kind]}"
        if self.kind == "nrrd":
            said = json.dumps(about.told)
            nrrd.write(path, volume, {MARK: "yes", "content": about.description, "source": said})
        else:
            nifti.write(path, volume, about.description)
        return path

    def _provenance(self, about: Provenance) -> Path:
        return self.folder / "provenance" / f"{about.name}.json"

    def _describe(self) -> None:
        """dataset.json as nnU-Net wants it, which says what the cases are."""
        training = self.card.training
        described = {
            "name": f"{MARK} {self.card.title}",
            "description": f"{MARK}: made by {self.card.title}, no patients",
            "licence": training.licence if training else "",
            "synthetic": True,
            "channel_names": {str(k): name for k, name in enumerate(self.card.channels)},
            "labels": {"background": 0, **self.card.labels},
            "numTraining": len(list((self.folder / "provenance").glob("*.json"))),
            "file_ending": SUFFIXES[self.kind],
        }
        with replacing(self.folder / "dataset.json") as temporary:
            temporary.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def _channels(volume: Volume) -> list[Volume]:
    if volume.array.ndim == 3:
        return [volume]
    return [volume.new(np.ascontiguousarray(one)) for one in volume.array]
