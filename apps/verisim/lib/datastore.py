"""The folder of studies: ids are plain names, and a file appears whole or not at all."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastore
from monailabel.interfaces.exception import ImageNotFoundException
from watchdog.events import FileSystemEvent

from lib.names import check_image_id, check_tag
from lib.released import CERTIFICATES, check_image
from verisim.errors import NotFound, UnreadableFile
from verisim.files import stem, suffix_of
from verisim.files.atomic import replacing

SUFFIXES = (".nii.gz", ".nii", ".nrrd")
"""Kinds of files that the folder may hold."""


class SafeDatastore(LocalDatastore):
    """MONAI Label's local datastore without its ways out of the folder.

    Its observer rewrites the list of images in a thread of its own; every look at the list here
    waits until that is done.

    Args:
        studies: The folder.
        auto_reload: Whether changes to the folder are seen while the server runs.
        read_only: Whether the list in the folder is left as it is.
    """

    def __init__(self, studies: str, auto_reload: bool, read_only: bool) -> None:
        self._turn = threading.RLock()
        patterns = tuple(f"*{suffix}" for suffix in SUFFIXES)
        super().__init__(
            studies, extensions=patterns, auto_reload=auto_reload, read_only=read_only
        )
        if auto_reload:  # the list is moved into place, also by the process of a job
            self._handler.on_moved = self._on_list_replaced

    def get_image_uri(self, image_id: str) -> str:
        """Path of an image, "" if there is none of that id."""
        with self._turn:
            return str(super().get_image_uri(check_image_id(image_id)))

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """Path of a label, "" if there is none of that id and tag."""
        with self._turn:
            return str(super().get_label_uri(check_image_id(label_id), check_tag(label_tag)))

    def list_images(self) -> list[str]:
        """Ids of all images."""
        with self._turn:
            return super().list_images()

    def get_labeled_images(
        self, label_tag: str | None = None, labels: Sequence[str] | None = None
    ) -> list[str]:
        """Ids of the images with a final label."""
        with self._turn:
            return super().get_labeled_images(label_tag, labels)

    def get_unlabeled_images(
        self, label_tag: str | None = None, labels: Sequence[str] | None = None
    ) -> list[str]:
        """Ids of the images without a final label."""
        with self._turn:
            return super().get_unlabeled_images(label_tag, labels)

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Paths of every image with a final label, and of the label."""
        with self._turn:
            return super().datalist(full_path)

    def status(self) -> dict[str, Any]:
        """Counts of images and labels."""
        with self._turn:
            return super().status()

    def add_image(self, image_id: str, image_filename: str, image_info: Mapping[str, Any]) -> str:
        """Copy an image into the folder.

        Raises:
            BadInput: The id is no plain name.
            UnreadableFile: The file's name promises no volume.
            Unreleased: It is synthetic, and no audit has let it out.
            StorageFailed: The disk refused; nothing is left behind.
        """
        source = Path(image_filename)
        suffix = _checked_suffix(source)
        check_image(source, image_info or {}, Path(self._datastore_path) / CERTIFICATES)
        image_id = check_image_id(image_id or stem(source))
        name = image_id + suffix
        with self._turn, FileLock(self._lock_file):
            _copy(source, Path(self._datastore.image_path()) / name)
            image = DataModel(info=_info(image_info, name), ext=suffix)
            self._datastore.objects[image_id] = ImageLabelModel(image=image)
            self._update_datastore_file(lock=False)
        return image_id

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: Mapping[str, Any]
    ) -> str:
        """Copy the label of an image into the folder.

        Raises:
            BadInput: Id or tag is no plain name.
            UnreadableFile: The file's name promises no label map.
            StorageFailed: The disk refused; nothing is left behind.
        """
        source = Path(label_filename)
        suffix = _checked_suffix(source)
        name = check_image_id(image_id) + suffix
        folder = Path(self._datastore.label_path(check_tag(label_tag)))
        with self._turn, FileLock(self._lock_file):
            if image_id not in self._datastore.objects:
                raise ImageNotFoundException(f"There is no image {image_id!r}.")
            folder.mkdir(parents=True, exist_ok=True)
            _copy(source, folder / name)
            label = DataModel(info=_info(label_info, name), ext=suffix)
            self._datastore.objects[image_id].labels[label_tag] = label
            self._update_datastore_file(lock=False)
        return image_id

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """A temporary ZIP file of all images with a final label.

        Raises:
            NotFound: There is none.
        """
        if not self.datalist():
            raise NotFound("No image has a final label.", "Save a label first.")
        return super().get_dataset_archive(limit_cases)

    def _reconcile_datastore(self) -> None:
        with self._turn:
            super()._reconcile_datastore()

    def _init_from_datastore_file(self, throw_exception: bool = False) -> None:
        with self._turn:
            super()._init_from_datastore_file(throw_exception)

    def _update_datastore_file(self, lock: bool = True) -> None:
        if lock:
            with self._turn, FileLock(self._lock_file):
                self._update_datastore_file(lock=False)
            return
        path = Path(self._datastore_config_path)
        with replacing(path) as temporary:
            temporary.write_text(self._datastore.model_dump_json(exclude={"base_path"}, indent=2))
        self._config_ts = path.stat().st_mtime

    def _on_list_replaced(self, event: FileSystemEvent) -> None:
        if event.dest_path == self._datastore_config_path:
            self._init_from_datastore_file()


def _checked_suffix(path: Path) -> str:
    suffix = suffix_of(path)
    if suffix not in (*SUFFIXES, ".seg.nrrd"):
        raise UnreadableFile(
            f"{path.name} is of no kind that studies hold.", f"Send one of: {', '.join(SUFFIXES)}."
        )
    return suffix


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def _info(given: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    return {**(given or {}), "ts": int(time.time()), "name": name}
