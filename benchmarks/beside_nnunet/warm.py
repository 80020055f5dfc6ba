"""Networks that stay in memory: nnU-Net's predictor beside Verisim's segmenter and server."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from unittest.mock import patch

import torch
from monailabel.client import MONAILabelClient
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from beside_nnunet.agreement import Agreement, agreement, agreements_of_files
from beside_nnunet.cold import Models
from beside_nnunet.commands import folds_of
from beside_nnunet.measuring import Run, timed
from beside_nnunet.report import WARM, Comparison, Side, tell
from verisim.ensembles import segmenter_of
from verisim.files import read, stem
from verisim.precision import has_bfloat16
from verisim.segmentation import Segmenter
from verisim.serving import Service, free_port, prepare_app, running
from verisim.volume import Array, Volume

Answers = Mapping[str, Array]
"""Case to label map (X, Y, Z)."""

Loaded = tuple[Array, Mapping[str, object]]
"""What nnU-Net reads: intensities (C, Z, Y, X) and their spacing."""


@dataclass(frozen=True)
class Peer:
    """nnU-Net's predictor with its network loaded, silent.

    Args:
        predictor: Initialized from a model folder.
    """

    predictor: nnUNetPredictor

    @classmethod
    def of(cls, models: Models, mirroring: bool) -> Peer:
        """Load the checkpoint."""
        with silence():
            predictor = nnUNetPredictor(
                use_mirroring=mirroring, device=torch.device("cpu"), allow_tqdm=False
            )
            folds = tuple(
                int(fold) if fold != "all" else fold for fold in folds_of(models.model_folder)
            )
            predictor.initialize_from_trained_model_folder(str(models.model_folder), folds)
        return cls(predictor)

    def read(self, path: Path) -> Loaded:
        """One image, by the reader that the model was trained with."""
        reader = self.predictor.plans_manager.image_reader_writer_class()
        array, properties = reader.read_images([str(path)])
        return array, properties

    def one_by_one(self, images: Mapping[str, Loaded]) -> Answers:
        """Each case by `predict_single_npy_array`."""
        with silence():
            return {
                case: self.predictor.predict_single_npy_array(array, dict(properties)).T
                for case, (array, properties) in images.items()
            }

    def as_a_list(self, images: Mapping[str, Loaded]) -> Answers:
        """All cases by `predict_from_list_of_npy_arrays`, with a process for either end."""
        arrays, properties = zip(*images.values(), strict=True)
        with silence():
            found = self.predictor.predict_from_list_of_npy_arrays(
                list(arrays), None, [dict(p) for p in properties], None, 1, False, 1
            )
        return {case: array.T for case, array in zip(images, found, strict=True)}

    def from_file_to_file(self, images: Mapping[str, Path], output: Path) -> None:
        """Each case with reading and writing."""
        with silence():
            for case, path in images.items():
                array, properties = self.read(path)
                self.predictor.predict_single_npy_array(
                    array, properties, output_file_truncated=str(output / case)
                )


def compare_warm(
    models: Models, images: Path, mirroring: bool, repetitions: int
) -> list[Comparison]:
    """Both in this process, from array to label map; reading and writing counts for neither."""
    files = files_of(images)
    peer = Peer.of(models, mirroring)
    theirs = {case: peer.read(path) for case, path in files.items()}
    ours = {case: read(path) for case, path in files.items()}
    segmenter = segmenter_of(models.card, "cpu", mirroring, (models.card.folder,))
    faster, name = _faster_way(peer, theirs)
    reduced = has_bfloat16("cpu")
    contestants: dict[str, Callable[[], Answers]] = {
        name: lambda: faster(theirs),
        f"in one process, {'bfloat16' if reduced else 'single precision'}": lambda: _segmented(
            segmenter, ours
        ),
    }
    if reduced:
        contestants["in one process, single precision"] = lambda: _in_full(segmenter, ours)
    answers, runs = _in_turn(contestants, repetitions)
    first, *own = (Side(way, tuple(found)) for way, found in runs.items())
    what = f"{len(files)} volumes, warm"
    return [
        Comparison(
            what,
            mirroring,
            first,
            side,
            _agreements(answers[first.way], answers[side.way], models.card.labels),
            WARM,
        )
        for side in own
    ]


def compare_server(models: Models, images: Path, mirroring: bool, repetitions: int) -> Comparison:
    """Verisim's server, asked over HTTP, against nnU-Net in this process with its files."""
    studies, outputs = models.work / "studies", (models.work / "peer", models.work / "server")
    for folder in (studies, *outputs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    files = files_of(images)
    for case, path in files.items():
        shutil.copy(path, studies / f"{case}.nii.gz")
    app = prepare_app(models.work / "app")
    service = Service(str(studies), app, models.card.folder, port=free_port())
    peer = Peer.of(models, mirroring)
    with running(service, models.work / "server.log"):
        client = MONAILabelClient(service.url, tmpdir=str(models.work))
        contestants: dict[str, Callable[[], Answers]] = {
            "predictor with its files": lambda: (peer.from_file_to_file(files, outputs[0]), {})[1],
            "server over HTTP": lambda: _asked(client, models, files, outputs[1], mirroring),
        }
        _, runs = _in_turn(contestants, repetitions)
    peers, own = runs.values()
    # the processor time of the server is not that of this process
    asked = tuple(replace(run, cpu_seconds=nan) for run in own)
    names = list(runs)
    sides = Side(names[0], tuple(peers)), Side(names[1], asked)
    agreements = agreements_of_files(*outputs, models.card.labels)
    return Comparison(f"{len(files)} volumes, warm server", mirroring, *sides, agreements, WARM)


def files_of(images: Path) -> dict[str, Path]:
    """Case to its only file.

    Raises:
        SystemExit: A case has several channels: the server has one image a case.
    """
    paths = sorted(images.glob("*.nii.gz"))
    if any(not stem(path).endswith("_0000") for path in paths):
        raise SystemExit("Warm comparisons need images of one channel: choose --parts cold.")
    return {stem(path).removesuffix("_0000"): path for path in paths}


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what nnU-Net prints from the terminal."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _faster_way(
    peer: Peer, images: Mapping[str, Loaded]
) -> tuple[Callable[[Mapping[str, Loaded]], Answers], str]:
    """nnU-Net's faster function for these images, after a first image that warms it."""
    first = dict([next(iter(images.items()))])
    peer.one_by_one(first)
    _, single = timed(lambda: peer.one_by_one(images))
    _, together = timed(lambda: peer.as_a_list(images))
    tell(f"predict_single_npy_array {single}\npredict_from_list_of_npy_arrays {together}")
    if together.seconds < single.seconds:
        return peer.as_a_list, "predict_from_list_of_npy_arrays"
    return peer.one_by_one, "predict_single_npy_array"


def _in_turn(
    contestants: Mapping[str, Callable[[], Answers]], repetitions: int
) -> tuple[dict[str, Answers], dict[str, list[Run]]]:
    """A B C A B C …, after a round that is not counted."""
    answers: dict[str, Answers] = {}
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    for k in range(repetitions + 1):
        for name, work in contestants.items():
            answers[name], run = timed(work)
            if k:
                runs[name].append(run)
                tell(f"{name}: {run}")
    return answers, runs


def _segmented(segmenter: Segmenter, volumes: Mapping[str, Volume]) -> Answers:
    return {case: segmenter(volume).label_map.array for case, volume in volumes.items()}


def _in_full(segmenter: Segmenter, volumes: Mapping[str, Volume]) -> Answers:
    """Single precision also where the processor has bfloat16, as nnU-Net computes there."""
    with patch("verisim.precision.has_bfloat16", return_value=False):
        return _segmented(segmenter, volumes)


def _asked(
    client: MONAILabelClient,
    models: Models,
    files: Mapping[str, Path],
    output: Path,
    mirroring: bool,
) -> Answers:
    for case in files:
        params = {"result_extension": ".nii.gz", "device": "cpu", "mirror": mirroring}
        file, _ = client.infer(models.card.name, case, params=params)
        shutil.move(file, output / f"{case}.nii.gz")
    return {}


def _agreements(one: Answers, other: Answers, labels: Mapping[str, int]) -> tuple[Agreement, ...]:
    return tuple(agreement(case, one[case], other[case], labels) for case in one)
