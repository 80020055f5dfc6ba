"""The series of a PACS as MONAI Label's datastore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.exception import LabelNotFoundException

from lib.names import check_image_id, check_tag
from lib.pacs.holdings import Holdings
from lib.pacs.kept_labels import KeptLabels
from lib.pacs.settings import PacsSettings
from lib.pacs.studies import Studies
from lib.pacs.zipped import zipped
from verisim.errors import BadInput, BadSeries, Conflict, Unavailable, VerisimError

FINAL = str(DefaultLabelTag.FINAL.value)

UNSENT = "unsent"
"""Tag of final labels that the PACS did not take: they are kept here."""

STATUS_SECONDS = 3
"""How long `/info/` waits for the PACS."""

DELETES_NOTHING = "This server deletes nothing on the PACS."


class PacsDatastore(Datastore):
    """Image ids are SeriesInstanceUIDs; final labels are DICOM segmentations on the PACS.

    Labels of other tags stay on this server.

    Args:
        settings: Where the PACS is.
    """

    def __init__(self, settings: PacsSettings) -> None:
        self.settings = settings
        self.studies = Studies(settings)
        self._kept = KeptLabels(settings.folder / "labels")

    def name(self) -> str:
        """The address of the PACS."""
        return self.settings.url

    def set_name(self, name: str) -> None:
        """Refused: the name is the address."""
        raise BadInput("A PACS is not renamed here.", "Start the server with another --studies.")

    def description(self) -> str:
        """One sentence."""
        return f"Series of a PACS: {', '.join(self.settings.modalities)}"

    def set_description(self, description: str) -> None:
        """Refused: it follows from the settings."""
        raise BadInput("A PACS is not described here.", "Leave it as it is.")

    def refresh(self) -> None:
        """Ask the PACS the next time, however short ago it was asked."""
        self.studies.forget()

    def list_images(self) -> list[str]:
        """Ids of all images."""
        return sorted(self.studies.holdings().images)

    def get_labeled_images(
        self, label_tag: str | None = None, labels: Sequence[str] | None = None
    ) -> list[str]:
        """Ids of the images with a segmentation on the PACS."""
        return sorted(self.studies.holdings().labels)

    def get_unlabeled_images(
        self, label_tag: str | None = None, labels: Sequence[str] | None = None
    ) -> list[str]:
        """Ids of the images without one."""
        holdings = self.studies.holdings()
        return sorted(uid for uid in holdings.images if uid not in holdings.labels)

    def get_image(self, image_id: str, params: Mapping[str, Any] | None = None) -> bytes | None:
        """The image as a NIfTI file."""
        path = self.image_file(image_id)
        return path.read_bytes() if path else None

    def get_image_uri(self, image_id: str) -> str:
        """Folder of the series, fetched now if need be; "" if there is none of that id.

        Raises:
            BadSeries: The PACS sent something broken.
            Unavailable: The PACS does not answer as it should.
        """
        series = self.studies.series(image_id)
        return str(self.studies.folder(series)) if series else ""

    def image_file(self, image_id: str) -> Path | None:
        """The image as a NIfTI file, for clients that want one file.

        Raises:
            BadInput: The series is no volume; the subclass says why.
            Unavailable: The PACS does not answer as it should.
        """
        series = self.studies.series(image_id)
        return self.studies.volume_file(series) if series else None

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """What clients show of a series: nothing that names the patient."""
        series = self.studies.series(image_id)
        if series is None:
            return {}
        return {
            **self._kept.note(series.uid),
            "SeriesInstanceUID": series.uid,
            "StudyInstanceUID": series.study,
            "Modality": series.modality,
            "SeriesDescription": series.description,
            "name": f"{series.uid}.nii.gz",
        }

    def update_image_info(self, image_id: str, info: Mapping[str, Any]) -> None:
        """Keep a note about a series on this server."""
        self._kept.add_note(self.studies.known(image_id).uid, "", info)

    def subject(self, image_id: str) -> str:
        """Stands for the patient of a series; empty if the PACS does not say."""
        series = self.studies.series(image_id)
        return series.subject if series else ""

    def add_image(self, image_id: str, image_filename: str, image_info: Mapping[str, Any]) -> str:
        """Refused: images come into a PACS from elsewhere."""
        raise BadInput(
            "The images of this server are those of a PACS.",
            "Send the series to the PACS, or segment a file without keeping it: PUT /session/.",
        )

    def remove_image(self, image_id: str) -> None:
        """Refused: nothing is deleted on a PACS."""
        raise BadInput(DELETES_NOTHING, "Delete the series there.")

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        """Tags of the labels of an image, each with the label's id."""
        tags = self._tags(self.studies.holdings(), check_image_id(image_id))
        return dict.fromkeys(tags, image_id)

    def get_label_by_image_id(self, image_id: str, tag: str) -> str:
        """Id of a label."""
        return self.get_labels_by_image_id(image_id).get(tag, "")

    def get_label(
        self, label_id: str, label_tag: str, params: Mapping[str, Any] | None = None
    ) -> bytes | None:
        """The file of a label."""
        uri = self.get_label_uri(label_id, label_tag)
        return Path(uri).read_bytes() if uri else None

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """Path of a label, fetched now if need be; "" if there is none of that id and tag.

        A final label is the newest segmentation on the PACS that can be read.

        Raises:
            Unavailable: The PACS does not answer as it should.
        """
        if check_tag(label_tag) == FINAL:
            return str(self.studies.final_label(label_id) or "")
        return str(self._kept.path(check_image_id(label_id), label_tag) or "")

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """What was said about a label; names and numbers of a final one are those of its file."""
        note = self._kept.note(check_image_id(label_id), check_tag(label_tag))
        if label_tag != FINAL:
            return note
        found = self.studies.holdings().labels.get(label_id)
        if not found:
            return {}
        told = [{"name": name, "idx": number} for name, number in found[0].labels]
        return {**note, "SeriesInstanceUID": found[0].series, "label_info": told}

    def update_label_info(self, label_id: str, label_tag: str, info: Mapping[str, Any]) -> None:
        """Keep a note about a label on this server."""
        if check_tag(label_tag) not in self.get_labels_by_image_id(label_id):
            raise LabelNotFoundException(f"There is no label {label_tag!r} of {label_id!r}.")
        self._kept.add_note(label_id, label_tag, info)

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: Mapping[str, Any]
    ) -> str:
        """Keep a label here, or send it to the PACS if it is final.

        Raises:
            BadInput: The label is not on the voxels of the series, or nobody names its labels.
            BadSeries: No segmentation can refer to the series; the label is kept here.
            Conflict: The PACS refuses it; the label is kept here.
            Unavailable: The PACS does not answer as it should; the label is kept here.
        """
        source, info = Path(label_filename), dict(label_info or {})
        if check_tag(label_tag) != FINAL:
            self._kept.save(self.studies.known(image_id).uid, label_tag, source, info)
            return image_id
        try:
            self.studies.send(image_id, source, info)
        except (Unavailable, Conflict, BadSeries) as error:
            self._kept.save(check_image_id(image_id), UNSENT, source, info)
            kept = f"The label is kept on this server with the tag {UNSENT!r}."
            raise type(error)(error.message, f"{error.remedy} {kept}") from error
        self._kept.remove(image_id, UNSENT)
        self._kept.add_note(image_id, FINAL, info)
        return image_id

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Delete a label that is kept here; nothing is deleted on a PACS."""
        if check_tag(label_tag) == FINAL:
            raise BadInput(DELETES_NOTHING, "Delete the segmentation there.")
        self._kept.remove(check_image_id(label_id), label_tag)

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Paths of every image with a final label, and of the label."""
        labels = {uid: self.get_label_uri(uid, FINAL) for uid in self.get_labeled_images()}
        images = {uid: self.image_file(uid) for uid, label in labels.items() if label}
        return [{"image": str(path), "label": labels[uid]} for uid, path in images.items() if path]

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """A temporary ZIP file of all images with a final label.

        Raises:
            NotFound: There is none.
        """
        return zipped(self.datalist()[: limit_cases or None])

    def status(self) -> dict[str, Any]:
        """Counts of images and labels; a PACS that is down is told, not raised."""
        nothing: dict[str, Any] = {"total": 0, "completed": 0, "label_tags": {}}
        try:
            holdings = self.studies.holdings(STATUS_SECONDS)
        except TimeoutError:
            return {**nothing, "unavailable": f"The PACS is silent for {STATUS_SECONDS} s."}
        except VerisimError as error:
            return {**nothing, "unavailable": str(error)}
        tags: dict[str, int] = {}
        for uid in holdings.images:
            for tag in self._tags(holdings, uid):
                tags[tag] = tags.get(tag, 0) + 1
        total, completed = len(holdings.images), tags.get(FINAL, 0)
        return {"total": total, "completed": completed, "label_tags": tags}

    def json(self) -> dict[str, Any]:
        """Everything that is listed, in the form of MONAI Label's own datastore."""
        holdings = self.studies.holdings()
        images = sorted(holdings.images)
        objects = {uid: self._object(uid, self._tags(holdings, uid)) for uid in images}
        return {"name": self.name(), "description": self.description(), "objects": objects}

    def _object(self, uid: str, tags: Sequence[str]) -> dict[str, Any]:
        return {
            "image": {"ext": "", "info": self.get_image_info(uid)},
            "labels": {tag: {"ext": "", "info": self.get_label_info(uid, tag)} for tag in tags},
        }

    def _tags(self, holdings: Holdings, uid: str) -> list[str]:
        final = [FINAL] if uid in holdings.labels else []
        return [*final, *self._kept.tags(uid)]
