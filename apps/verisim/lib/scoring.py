"""How well two sets of labels agree, and how close synthetic images came to patients."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monailabel.config import settings
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod

from lib.labelled import FINAL
from lib.models import Models
from lib.released import certificates_for
from lib.strategies import ORIGINAL
from verisim.audit.certificate import Certificate
from verisim.audit.pool import is_synthetic
from verisim.errors import VerisimError
from verisim.files import read_label_map
from verisim.metrics import dice

logger = logging.getLogger(__name__)

Labels = Mapping[str, int]


class DiceScore(ScoringMethod):
    """Dice of each label between two tags, stored with the label that was judged.

    Args:
        models: Say what the values of a label map mean.
    """

    def __init__(self, models: Models) -> None:
        super().__init__("Dice between the labels of two tags, for each label")
        self._models = models

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score every case that has both tags; a case that cannot be read tells why.

        Args:
            request: `y`, the tag of the truth (final), and `y_pred`, the tag that is judged
                (original), as MONAI Label's own scoring calls them.
            datastore: Receives `dice` in the information of the judged label.
        """
        truth = str(request.get("y") or FINAL)
        judged = str(request.get("y_pred") or ORIGINAL)
        datastore.refresh()
        scores: dict[str, Any] = {}
        for name in sorted(datastore.list_images()):
            if {truth, judged} <= set(datastore.get_labels_by_image_id(name)):
                scores[name] = self._scored(datastore, name, truth, judged)
        return scores

    def _scored(self, datastore: Datastore, name: str, truth: str, judged: str) -> dict[str, Any]:
        labels = self._labels(str(datastore.get_label_info(name, judged).get("model", "")))
        paths = (Path(datastore.get_label_uri(name, tag)) for tag in (judged, truth))
        try:
            score = label_dice(*paths, labels)
        except VerisimError as error:
            logger.warning("%s is not scored: %s", name, error)
            return {"error": str(error)}
        datastore.update_label_info(name, judged, {"dice": {"against": truth, **score}})
        return score

    def _labels(self, model: str) -> Labels | None:
        return self._models.card(model).labels if model in self._models.names else None


class AuditScore(ScoringMethod):
    """How close synthetic images came to training patients, as their certificates tell."""

    def __init__(self) -> None:
        super().__init__("What the audit of each synthetic image found, from its certificate")

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Write `audit` into the information of every synthetic image; real ones are left out.

        Args:
            request: Nothing of it is needed.
            datastore: Receives score, threshold, p, q and the verdict on the set.
        """
        datastore.refresh()
        names = sorted(datastore.list_images())
        certificates = certificates_for(datastore, names)
        scores: dict[str, Any] = {}
        for name in names:
            path = Path(datastore.get_image_uri(name))
            if not is_synthetic(path):
                continue
            found = next((one for one in certificates if one.covers(path)), None)
            scores[name] = _audited(found) if found else {"error": "No audit has let it out."}
            datastore.update_image_info(name, {"audit": scores[name]})
        return scores


def _audited(certificate: Certificate) -> dict[str, Any]:
    told = certificate.plain()
    names = ("score", "threshold", "p", "q", "stratum", "set_word", "report_sha256")
    return {name: told[name] for name in names}


def label_dice(judged: Path, truth: Path, labels: Labels | None) -> dict[str, float | None]:
    """Dice of each label and their mean; None where neither file holds the label.

    Args:
        judged: File of the label map that is judged.
        truth: File of the label map to compare with; the other is resampled onto its voxels.
        labels: Name to value; without them each value v found is named "label_v".
    """
    wanted = read_label_map(truth, labels)
    found = read_label_map(judged, labels)
    named = labels if labels is not None else {**found.labels, **wanted.labels}
    placed = found if found.shares_grid(wanted) else found.resampled_like(wanted)
    scores = {
        name: dice(placed.array == value, wanted.array == value) for name, value in named.items()
    }
    known = [score for score in scores.values() if not np.isnan(score)]
    mean = float(np.mean(known)) if known else np.nan
    # JSON knows no nan
    return {
        name: None if np.isnan(score) else round(score, 4)
        for name, score in {"mean": mean, **scores}.items()
    }


def score_only_when_asked() -> None:
    """Switch MONAI Label's scoring after every sample and training off, unless somebody set it.

    The environment tells the processes that jobs run in.
    """
    if "MONAI_LABEL_AUTO_UPDATE_SCORING" not in settings.model_fields_set:
        settings.MONAI_LABEL_AUTO_UPDATE_SCORING = False
        os.environ["MONAI_LABEL_AUTO_UPDATE_SCORING"] = "False"
