"""Series and segmentations of the PACS, on this machine's disk as far as they were needed."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.exception import ImageNotFoundException

from lib.pacs.archive import Archive
from lib.pacs.cache import Cache
from lib.pacs.holdings import UID, Holdings, ImageSeries, StoredSegmentation
from lib.pacs.remembered import Remembered
from lib.pacs.settings import PacsSettings
from lib.pacs.translation import write_label_map, write_segmentation
from verisim import files
from verisim.errors import BadInput, NotFound

logger = logging.getLogger(__name__)


class Studies:
    """What the PACS lists, and the files of what somebody asked for.

    Args:
        settings: Where the PACS is.
    """

    def __init__(self, settings: PacsSettings) -> None:
        self.archive = Archive(settings)
        hours, patience = settings.cache_hours, settings.fetch_seconds
        self._cache = Cache(settings.folder / "cache", settings.cache_gb, hours, patience)
        self._remembered = Remembered(self.archive.holdings, settings.fresh_seconds)
        self._unreadable: set[str] = set()

    def holdings(self, wait: float | None = None) -> Holdings:
        """What is listed, a few seconds old at most; without segmentations that nobody can read.

        Args:
            wait: Longest wait in seconds.

        Raises:
            TimeoutError: The PACS needs longer than that.
            Unavailable: The PACS does not answer as it should.
        """
        listed = self._remembered.answer(wait)
        labels = {
            uid: [one for one in found if one.instance not in self._unreadable]
            for uid, found in listed.labels.items()
        }
        return Holdings(listed.images, {uid: found for uid, found in labels.items() if found})

    def forget(self) -> None:
        """Ask the PACS the next time, however short ago it was asked."""
        self._remembered.forget()

    def series(self, uid: str) -> ImageSeries | None:
        """A series; one that is not listed is asked for once more, it may just have come in.

        Raises:
            Unavailable: The PACS does not answer as it should.
        """
        if not UID.fullmatch(uid):
            return None
        found = self.holdings().images.get(uid)
        if found is None:
            self.forget()
            found = self.holdings().images.get(uid)
        return found

    def known(self, uid: str) -> ImageSeries:
        """A series.

        Raises:
            ImageNotFoundException: There is none of that id.
        """
        series = self.series(uid)
        if series is None:
            raise ImageNotFoundException(f"There is no image {uid[:80]!r}.")
        return series

    def folder(self, series: ImageSeries) -> Path:
        """The files of a series, fetched now if need be.

        Raises:
            BadSeries: The PACS sent something broken.
            Unavailable: The PACS does not answer as it should.
        """

        def make(folder: Path) -> None:
            folder.mkdir()
            self.archive.fetch_series(series, folder)

        # while a series is still coming in, its files become more
        return self._cache.kept("series", str(series.instances), series.uid, make)

    def volume_file(self, series: ImageSeries) -> Path:
        """A series as a NIfTI file, for clients that want one file.

        Raises:
            BadInput: The series is no volume; the subclass says why.
            Unavailable: The PACS does not answer as it should.
        """
        folder, name = self.folder(series), f"{series.uid}.nii.gz"

        def make(path: Path) -> None:
            files.write(path, files.read(folder))

        return self._cache.kept("volumes", str(series.instances), name, make)

    def final_label(self, uid: str) -> Path | None:
        """The newest segmentation of a series that can be read, as a label map on its voxels.

        Raises:
            Unavailable: The PACS does not answer as it should.
        """
        series = self.series(uid)
        while series and (found := self.holdings().labels.get(uid)):
            try:
                return self._label_map(series, found[0])
            except (NotFound, BadInput) as error:
                logger.warning("The segmentation %s is not used: %s", found[0].series, error)
                self._unreadable.add(found[0].instance)
        return None

    def send(self, uid: str, label: Path, info: Mapping[str, Any]) -> None:
        """Store a label on the PACS, as a DICOM segmentation.

        Raises:
            BadInput: The label is not on the voxels of the series, or nobody names its labels.
            Conflict: The PACS refuses it.
            Unavailable: The PACS does not answer as it should.
        """
        folder = self.folder(self.known(uid))
        with tempfile.TemporaryDirectory(prefix="verisim-") as temporary:
            path = Path(temporary) / "segmentation.dcm"
            write_segmentation(label, folder, info, path)
            self.archive.store(path)
        self.forget()

    def _label_map(self, series: ImageSeries, segmentation: StoredSegmentation) -> Path:
        folder = self.folder(series)

        def make(path: Path) -> None:
            with tempfile.TemporaryDirectory(prefix="verisim-") as temporary:
                fetched = self.archive.fetch_segmentation(segmentation, Path(temporary))
                write_label_map(fetched, folder, path)

        name = f"{series.uid}.seg.nrrd"
        return self._cache.kept("segmentations", segmentation.instance, name, make)
