"""Verisim as an app of MONAI Label: one task for each model, safe routes, errors with a remedy."""

# Everything is imported here: this folder is on the path only while this file is executed.
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from lib.batch import BatchInference
from lib.infer import SegmentTask
from lib.loaded import LoadedModels
from lib.models import Models
from lib.options import read_options
from lib.queues import DeviceQueues
from lib.scoring import DiceScore, score_only_when_asked
from lib.strategies import RandomCase, UncertainCase
from lib.train import FineTuning
from verisim import __version__
from verisim.card import SHIPPED_MODELS


class Verisim(MONAILabelApp):
    """The app: MONAI Label finds it by the name of its base class, which must be the direct one."""

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str]) -> None:
        self.options = read_options(conf or {}, Path(app_dir))
        self.models = Models(SHIPPED_MODELS, self.options.models)
        score_only_when_asked()
        super().__init__(
            app_dir,
            studies,
            dict(conf or {}),
            name="Verisim",
            description="Segment, synthesize and audit medical volumes.",
            version=__version__,
        )

    def init_infers(self) -> dict[str, InferTask]:
        """One segmentation task for each model."""
        loaded = LoadedModels(self.options.max_loaded)
        queues = DeviceQueues(self.options.busy_seconds, self.options.max_waiting)
        return {name: SegmentTask(name, self.models, loaded, queues) for name in self.models.names}

    def init_trainers(self) -> dict[str, TrainTask]:
        """One fine-tuning for each model."""
        folder = self.options.models
        return {name: FineTuning(name, self.models, folder) for name in self.models.names}

    def init_strategies(self) -> dict[str, Strategy]:
        """Which case to label next."""
        return {"random": RandomCase(), "uncertain": UncertainCase()}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """How well two tags of labels agree."""
        return {"dice": DiceScore(self.models)}

    def init_batch_infer(self) -> BatchInference:
        """Many cases in one request."""
        return BatchInference()
