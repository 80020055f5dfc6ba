"""`import SampleData`: a stand-in of Slicer's module that lists samples and loads them.

Signatures, and what becomes of them, are those of Slicer 5.13; the panel with its buttons is left
out. A `file:` address is copied into the cache and checked like any other.
"""

from __future__ import annotations

import types
import urllib.request
from collections.abc import Callable
from pathlib import Path

import slicer
import vtk
from slicer.util import computeChecksum, extractAlgoAndDigest

Texts = str | list[str] | tuple[str, ...] | None


def many(value: Texts, count: int) -> list[str | None]:
    """One entry for each file."""
    return [value] * count if value is None or isinstance(value, str) else list(value)


class SampleDataSource:
    """Files, and what they are called."""

    def __init__(
        self,
        sampleName: str | None = None,
        sampleDescription: str | None = None,
        uris: Texts = None,
        fileNames: Texts = None,
        nodeNames: Texts = None,
        checksums: Texts = None,
        loadFiles: bool | None = None,
        customDownloader: Callable[[SampleDataSource], object] | None = None,
        thumbnailFileName: str | None = None,
        loadFileType: Texts = None,
        loadFileProperties: dict[str, object] | None = None,
    ) -> None:
        self.sampleName = sampleName
        self.sampleDescription = sampleDescription or sampleName
        self.uris = many(uris, 1)
        count = len(self.uris)
        self.fileNames, self.nodeNames = many(fileNames, count), many(nodeNames, count)
        self.checksums, self.loadFileType = many(checksums, count), many(loadFileType, count)
        self.loadFiles, self.customDownloader = loadFiles, customDownloader
        self.thumbnailFileName = thumbnailFileName
        self.loadFileProperties = loadFileProperties or {}

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class SampleDataLogic:
    """Knows what was registered, and loads it."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Texts = None,
        fileNames: Texts = None,
        nodeNames: Texts = None,
        customDownloader: Callable[[SampleDataSource], object] | None = None,
        thumbnailFileName: str | None = None,
        loadFileType: Texts = "VolumeFile",
        loadFiles: bool | None = None,
        loadFileProperties: dict[str, object] | None = None,
        checksums: Texts = None,
    ) -> None:
        """Adds a sample, once."""
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            checksums=checksums,
            loadFiles=loadFiles,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileType=loadFileType,
            loadFileProperties=loadFileProperties,
        )
        known = SampleDataLogic.sampleDataSourcesByCategory()
        if source not in known.setdefault(category, []):
            known[category].append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> object:
        """All samples by their categories, or those of one."""
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        known = slicer.modules.sampleDataSources
        return known if category is None else known.get(category, [])

    def downloadSamples(self, sampleName: str) -> list[object]:
        """The nodes of a sample, loaded; none if it is not known."""
        known = self.sampleDataSourcesByCategory()
        found = (s for sources in known.values() for s in sources if s.sampleName == sampleName)
        source = next(found, None)
        return self.downloadFromSource(source) if source else []

    def downloadFromSource(self, source: SampleDataSource) -> list[object]:
        """Gets the files and loads them."""
        return [
            self._load(self._fetched(uri, name, checksum), node, kind)
            for uri, name, checksum, node, kind in zip(
                source.uris,
                source.fileNames,
                source.checksums,
                source.nodeNames,
                source.loadFileType,
                strict=True,
            )
        ]

    def _fetched(self, uri: str, name: str, checksum: str | None) -> Path:
        path = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()) / name
        urllib.request.urlretrieve(uri, path)
        kind, digest = extractAlgoAndDigest(checksum)
        if kind is not None and computeChecksum(kind, str(path)) != digest:
            raise ValueError(f"{name} is not what was published")
        return path

    def _load(self, path: Path, name: str, kind: str) -> object:
        loaded = vtk.vtkCollection()
        properties = {"fileName": str(path), "name": name}
        assert slicer.app.coreIOManager().loadNodes(kind, properties, loaded)
        node = loaded.GetItemAsObject(0)
        slicer.mrmlScene.RemoveNode(node.GetStorageNode())
        node.SetAndObserveStorageNodeID(None)
        return node


def downloadSample(sampleName: str) -> object:
    """Loads a sample; its first node."""
    return SampleDataLogic().downloadSamples(sampleName)[0]


def module() -> types.ModuleType:
    """What `import SampleData` gives."""
    published = types.ModuleType("SampleData", __doc__)
    for part in (SampleDataSource, SampleDataLogic, downloadSample):
        setattr(published, part.__name__, part)
    return published
