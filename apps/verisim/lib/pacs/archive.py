"""The PACS itself: asked for series, fetched from, and stored to."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from monailabel.config import settings as stock
from pydicom import Dataset, dcmread

from lib.pacs.connection import connection
from lib.pacs.faults import named, status_of
from lib.pacs.holdings import (
    Holdings,
    ImageSeries,
    StoredSegmentation,
    image_series,
    stored_segmentation,
    text,
)
from lib.pacs.multipart import save_parts
from lib.pacs.settings import PacsSettings
from verisim.errors import BadSeries, Conflict, NotFound, UnreadableFile, VerisimError
from verisim.files.dicom_series import is_dicom, read_header

logger = logging.getLogger(__name__)

PAGE = 1000
"""Series asked for at once."""

FIELDS = ("StudyInstanceUID", "SeriesDescription", "NumberOfSeriesRelatedInstances", "PatientID")
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'

SEND_AGAIN = "Look at the series in another viewer, and send it to the PACS again."


class Archive:
    """A PACS behind DICOMweb: QIDO-RS, WADO-RS and STOW-RS.

    Args:
        settings: Where it is.
    """

    def __init__(self, settings: PacsSettings) -> None:
        self.settings = settings
        # the client logs a line for each request
        logging.getLogger("dicomweb_client").setLevel(logging.WARNING)
        self._looked_at: dict[tuple[str, str], tuple[StoredSegmentation, ...]] = {}

    def holdings(self) -> Holdings:
        """All series of the wanted modalities, and the segmentations that belong to them.

        Raises:
            Unavailable: The PACS does not answer as it should.
        """
        images = {
            series.uid: series
            for modality in self.settings.modalities
            for series in self._series({**self.settings.filters, "Modality": modality})
            if series.modality in ("", modality)  # some servers ignore what they are asked
        }
        studies = {series.study for series in images.values()}
        labels: dict[str, list[StoredSegmentation]] = {}
        for series in self._series({"Modality": "SEG"}):
            if series.modality == "SEG" and series.study in studies:
                for one in self._segmentations(series):
                    labels.setdefault(one.image, []).append(one)
        for found in labels.values():
            found.sort(key=lambda one: one.written, reverse=True)
        return Holdings(images, {uid: labels[uid] for uid in labels if uid in images})

    def fetch_series(self, series: ImageSeries, folder: Path) -> None:
        """Write the files of a series into an empty folder, as the PACS sends them.

        Raises:
            BadSeries: Instances are broken, missing, or of another series.
            NotFound: The PACS does not have the series any more.
            Unavailable: The PACS does not answer as it should.
        """
        paths = self._fetch(f"studies/{series.study}/series/{series.uid}", folder)
        for path in paths:
            _check_instance(path, series.uid)
        if not paths or len(paths) < (series.instances or 0):
            raise BadSeries(
                f"The PACS sent {len(paths)} of the {series.instances or 'promised'} instances "
                f"of the series {series.uid}.",
                "Ask for it again; if that does not help, look into the log of the PACS.",
            )

    def fetch_segmentation(self, segmentation: StoredSegmentation, folder: Path) -> Path:
        """Write one segmentation into an empty folder.

        Raises:
            BadSeries: It is broken.
            NotFound: The PACS does not have it any more.
            Unavailable: The PACS does not answer as it should.
        """
        place = f"studies/{segmentation.study}/series/{segmentation.series}"
        paths = self._fetch(f"{place}/instances/{segmentation.instance}", folder)
        if not paths:
            raise BadSeries(f"The PACS sent nothing for {segmentation.instance}.", SEND_AGAIN)
        _check_instance(paths[0], segmentation.series)
        return paths[0]

    def store(self, path: Path) -> None:
        """Store one DICOM file, and see that it was stored.

        Raises:
            Conflict: The PACS refuses it.
            Unavailable: The PACS does not answer as it should.
        """
        dataset = dcmread(path)
        with self._asked() as client:
            try:
                receipt = client.store_instances([dataset], dataset.StudyInstanceUID)
            except requests.HTTPError as error:
                if status_of(error) in (400, 409, 413, 415, 422):
                    raise _refused(f"status {status_of(error)}") from error
                raise
        failed = receipt.get("FailedSOPSequence") or ()
        if failed:
            raise _refused(f"reason {int(failed[0].get('FailureReason') or 0):04X}")
        if not receipt.get("ReferencedSOPSequence"):
            self._see(dataset)

    def _see(self, dataset: Dataset) -> None:
        """Some servers give no receipt."""
        uids = dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID
        try:
            with self._asked() as client:
                client.retrieve_instance_metadata(*uids)
        except NotFound as error:
            raise _refused("it took the file, but does not have it") from error

    @contextmanager
    def _asked(self) -> Iterator[DICOMwebClient]:
        """A client for one request: a kept connection may be closed at the other end."""
        with named(self.settings), connection(self.settings) as session:
            client = DICOMwebClient(
                self.settings.url,
                session=session,
                qido_url_prefix=stock.MONAI_LABEL_QIDO_PREFIX,
                wado_url_prefix=stock.MONAI_LABEL_WADO_PREFIX,
                stow_url_prefix=stock.MONAI_LABEL_STOW_PREFIX,
            )
            client.set_http_retry_params(retry=False)  # who asked is told, and may try again
            yield client

    def _series(self, filters: Mapping[str, str]) -> Iterator[ImageSeries]:
        """Page after page, for as long as there is something new."""
        seen: set[str] = set()
        while True:
            with self._asked() as client:
                page = client.search_for_series(
                    limit=PAGE, offset=len(seen), fields=FIELDS, search_filters=dict(filters)
                )
                if not all(isinstance(entry, dict) for entry in page):
                    raise ValueError("no DICOM JSON")
            found = [series for entry in page if (series := image_series(entry))]
            new = [series for series in found if series.uid not in seen]
            yield from new
            seen.update(series.uid for series in new)
            if len(page) < PAGE or not new:
                return

    def _segmentations(self, series: ImageSeries) -> tuple[StoredSegmentation, ...]:
        """Those of one series; what was looked at once does not change."""
        key = (series.uid, str(series.instances))
        if key not in self._looked_at:
            try:
                entries = self._metadata(series)
            except VerisimError as error:
                if not isinstance(error.__cause__, requests.HTTPError | ValueError):
                    raise
                logger.warning("The segmentation %s is not used: %s", series.uid, error)
                return ()
            found = (stored_segmentation(entry) for entry in entries)
            self._looked_at[key] = tuple(one for one in found if one)
        return self._looked_at[key]

    def _metadata(self, series: ImageSeries) -> list[dict[str, Any]]:
        with self._asked() as client:
            entries = client.retrieve_series_metadata(series.study, series.uid)
        return [entry for entry in entries if text(entry, "SeriesInstanceUID") == series.uid]

    def _fetch(self, place: str, folder: Path) -> list[Path]:
        parts = (self.settings.url, stock.MONAI_LABEL_WADO_PREFIX, place)
        url = "/".join(part for part in parts if part)
        with (
            named(self.settings),
            connection(self.settings) as session,
            session.get(url, headers={"Accept": AS_STORED}, stream=True) as response,
        ):
            response.raise_for_status()
            return save_parts(response, folder, self.settings)


def _check_instance(path: Path, series: str) -> None:
    try:
        if not is_dicom(path):
            raise UnreadableFile(f"{path.name} is no DICOM file.")
        uid = str(read_header(path).get("SeriesInstanceUID", ""))
    except UnreadableFile as error:
        raise BadSeries(
            f"The PACS sent a broken instance of the series {series}: {error.message}", SEND_AGAIN
        ) from error
    if uid != series:
        raise BadSeries(
            f"The PACS sent an instance of the series {uid or 'without UID'} for {series}.",
            SEND_AGAIN,
        )


def _refused(reason: str) -> Conflict:
    return Conflict(
        f"The PACS refuses the segmentation ({reason}).",
        "Allow this server to store into the PACS; the log of the PACS says more.",
    )
