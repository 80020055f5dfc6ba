"""Verisim as an app of MONAI Label: one task for each model, safe routes, errors with a remedy."""

# Everything is imported here: this folder is on the path only while this file is executed.
from collections.abc import Mapping
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
from lib.datastore import SafeDatastore
from lib.generate import GenerateTask, generate
from lib.infer import SegmentTask, infer_and_keep
from lib.jobs.labels import StoredLabels
from lib.jobs.opening import AtOnce, open_desk
from lib.kept import open_kept
from lib.loaded import LoadedModels
from lib.models import Models
from lib.new_model import TRAINER, NewModel
from lib.offered import Offered
from lib.options import read_options
from lib.pacs.datastore import PacsDatastore
from lib.pacs.settings import read_settings
from lib.refine import Refining
from lib.scoring import AuditScore, DiceScore, score_only_when_asked
from lib.serving import serve
from lib.sessions import SafeSessions
from lib.starts import Starts
from lib.strategies import RandomCase, UncertainCase, WorstExpectedCase
from lib.train import FineTuning
from verisim import __version__
from verisim.files.limits import limit_voxels
from verisim.installed import SHIPPED_MODELS, unknown_model


class Verisim(MONAILabelApp):
    """The app; MONAI Label finds it by the name of its direct base class."""

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str]) -> None:
        self.options = read_options(conf or {}, Path(app_dir))
        self.models = Models(SHIPPED_MODELS, self.options.models)
        self.loaded = LoadedModels(self.options.max_loaded, self.models)
        score_only_when_asked()
        limit_voxels(self.options.max_voxels)
        self.kept = open_kept(self.options)
        labels = StoredLabels()
        self.desk = open_desk(self.options, self.models, self.loaded, labels)
        self.at_once = AtOnce(self.desk, self.options.busy_seconds)
        starts = Starts(self.options.refine_mb * 1_000_000)
        self.refining = Refining(self.models, self.loaded, self.at_once, starts)
        super().__init__(
            app_dir,
            studies,
            dict(conf or {}),
            name="Verisim",
            description="Segment, synthesize and audit medical volumes.",
            version=__version__,
        )
        labels.go_into(self.datastore())
        serve(self.options)

    def info(self) -> dict[str, Any]:
        """What `/info/` tells."""
        with self.models.held():
            told: dict[str, Any] = super().info()
        return told

    def init_datastore(self) -> Datastore:
        """The folder of studies, or the PACS of an address."""
        if settings.MONAI_LABEL_DATASTORE:  # one of the other services that MONAI Label knows
            return super().init_datastore()
        if "://" in self.studies:
            return PacsDatastore(read_settings(self.studies, self.conf))
        return SafeDatastore(
            self.studies,
            settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    def _load_sessions(self, load: bool = False) -> SafeSessions | None:
        path, expiry = settings.MONAI_LABEL_SESSION_PATH, settings.MONAI_LABEL_SESSION_EXPIRY
        return SafeSessions(path, expiry) if load else None

    def init_infers(self) -> Mapping[str, InferTask]:
        """One task for each model of the moment; those that make cases are listed last."""
        return Offered(
            lambda: (*self.models.names, *self.models.makers),
            lambda name: (
                GenerateTask(name, self.models, self.at_once)
                if name in self.models.makers
                else SegmentTask(name, self.models, self.loaded, self.at_once)
            ),
        )

    def init_trainers(self) -> Mapping[str, TrainTask]:
        """One fine-tuning for each model that has networks of its own, and one new model."""
        folder = self.options.models
        return Offered(
            lambda: self.models.trainable,
            lambda name: FineTuning(name, self.models, folder),
            {TRAINER: NewModel(self.models, folder)},
        )

    def check_training(self, model: str, params: Mapping[str, Any]) -> None:
        """Refuse a training that could not begin; see the trainers' `check`."""
        self._trainers[model].check(params, self.datastore())

    def init_strategies(self) -> dict[str, Strategy]:
        """Which case to label next."""
        return {
            "random": RandomCase(),
            "uncertain": UncertainCase(),
            "expected_dice": WorstExpectedCase(),
        }

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """How well two tags of labels agree; how close synthetic images are to patients."""
        return {"dice": DiceScore(self.models), "audit": AuditScore()}

    def init_batch_infer(self) -> BatchInference:
        """Many cases in one request."""
        return BatchInference()

    def infer(
        self, request: Mapping[str, Any], datastore: Datastore | None = None
    ) -> dict[str, Any]:
        """Run one model; see `infer_and_keep`."""
        model = str(request.get("model"))
        if model not in self._infers:
            raise unknown_model(model, self._infers)
        task, store = self._infers[model], datastore or self.datastore()
        if isinstance(task, GenerateTask):
            return generate(task, request, store)
        return infer_and_keep(task, request, store)
