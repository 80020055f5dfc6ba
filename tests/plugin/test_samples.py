"""The sample cases in Slicer's module Sample Data."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import SampleData
import slicer
from plugin.draw_samples import RELEASED, drawn
from PySide6.QtGui import QImage

from tests.plugin.conftest import MODULES
from tests.slicer_host.window import Host
from VerisimLib.samples import CATEGORY, SAMPLES, Sample, offer, picture
from VerisimLib.scene import synthetic, volumes

RESOURCES = MODULES / "Resources"
EACH = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.title)


@EACH
def test_a_sample_is_a_released_case(sample: Sample) -> None:
    kept = (RESOURCES / "SampleData" / sample.file).read_bytes()
    assert kept == (RELEASED / "imagesTr" / sample.file).read_bytes()
    assert hashlib.sha256(kept).hexdigest() == sample.sha256


@EACH
def test_its_picture_is_its_drawing(sample: Sample) -> None:
    kept, made = QImage(str(picture(RESOURCES, sample))), drawn(sample)
    assert kept.size() == made.size()
    kept = kept.convertToFormat(QImage.Format.Format_RGB888)
    pixels = (np.frombuffer(image.constBits(), np.uint8).astype(int) for image in (kept, made))
    assert np.abs(np.subtract(*pixels)).mean() < 1


@EACH
def test_a_sample_is_loaded_where_it_belongs(host_without_views: Host, sample: Sample) -> None:
    host_without_views.load(MODULES / "VerisimSegment.py")
    known = SampleData.SampleDataLogic.sampleDataSourcesByCategory(CATEGORY)
    assert [source.sampleName for source in known] == [one.title for one in SAMPLES]
    assert all(Path(source.thumbnailFileName).is_file() for source in known)
    node = SampleData.downloadSample(sample.title)
    wanted = slicer.util.loadVolume(str(RELEASED / "imagesTr" / sample.file), {})
    assert node.GetName() == sample.title
    assert volumes.matrix_of(node) == pytest.approx(volumes.matrix_of(wanted))
    assert np.array_equal(slicer.util.array(node.GetID()), slicer.util.array(wanted.GetID()))
    assert synthetic.is_synthetic(node)  # never offered to the studies


def test_samples_are_offered_once(mrml: object) -> None:
    assert offer(RESOURCES)
    assert offer(RESOURCES)
    assert len(SampleData.SampleDataLogic.sampleDataSourcesByCategory(CATEGORY)) == len(SAMPLES)


def test_a_folder_with_any_name_will_do(mrml: object, tmp_path: Path) -> None:
    place = tmp_path / "Müllers Slicer #1 100 %"
    shutil.copytree(RESOURCES, place)
    assert offer(place)
    assert SampleData.downloadSample(SAMPLES[0].title) is not None


def test_a_file_that_was_changed_is_not_loaded(mrml: object, tmp_path: Path) -> None:
    shutil.copytree(RESOURCES, tmp_path / "Resources")
    path = tmp_path / "Resources" / "SampleData" / SAMPLES[0].file
    path.write_bytes(path.read_bytes() + b"\0")
    assert offer(tmp_path / "Resources")
    with pytest.raises(ValueError, match="not what was published"):
        SampleData.downloadSample(SAMPLES[0].title)


def test_a_slicer_without_the_module_opens_the_panel(
    host_without_views: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "SampleData", None)
    panel = host_without_views.load(MODULES / "VerisimSegment.py").panel
    assert panel.connection.ui.testButton.isEnabled()
    assert not offer(RESOURCES)
