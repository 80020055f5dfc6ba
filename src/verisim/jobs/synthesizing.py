"""Making synthetic cases as a job."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from verisim.card import ModelCard
from verisim.diffusion.generation import STRONGEST
from verisim.diffusion.sampling import MOST, Solver
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.jobs.folders import PREVIEW
from verisim.jobs.kind import Task
from verisim.jobs.packing import pack
from verisim.networks.stylegan import FARTHEST
from verisim.progress import Progress
from verisim.synthesis.case_set import CaseSet
from verisim.synthesis.given import for_label_maps, read_given
from verisim.synthesis.preview import Preview
from verisim.synthesis.provenance import warning_of
from verisim.synthesis.synthesizer import Synthesizer, wished

MOST_AT_ONCE = 500
"""Cases of one job; of more, several jobs make one set by `first`."""


WISHES = {
    "seed",
    "steps",
    "solver",
    "guidance",
    "attributes",
    "attribute_guidance",
    "truncation",
}
"""What of a request is said of how cases come out of noise."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=80)]
"""Name or value of an attribute."""


class SynthesizeRequest(BaseModel, frozen=True, extra="forbid"):
    """What may be asked of a model that makes cases.

    Args:
        model: Its name.
        count: How many cases.
        first: Number of the first in the endless set of the seed.
        seed: Which set; None as the model's card says.
        steps: From noise to image; None as its card says.
        solver: The sampler; None as its card says.
        guidance: How strongly images follow label maps; None as its card says.
        attributes: Name to value of what the cases shall be, of those that the model knows.
        attribute_guidance: How strongly label maps follow these; None as its card says.
        truncation: How far a StyleGAN goes from the mean case; None as its card says.
        format: Of the images.
        precision: single: the same voxels on every machine.
        device: auto, cpu, cuda:0, …
    """

    model: str = Field(min_length=1, max_length=200)
    count: int = Field(1, ge=1, le=MOST_AT_ONCE)
    first: int = Field(0, ge=0, le=90_000)
    seed: int | None = Field(None, ge=0, lt=2**31)
    steps: int | None = Field(None, ge=1, le=MOST)
    solver: Solver | None = None
    guidance: float | None = Field(None, ge=0, le=STRONGEST, allow_inf_nan=False)
    attributes: dict[Word, Word] = Field(default_factory=dict, max_length=40)
    attribute_guidance: float | None = Field(None, ge=0, le=STRONGEST, allow_inf_nan=False)
    truncation: float | None = Field(None, gt=0, le=FARTHEST, allow_inf_nan=False)
    format: Literal["nifti", "nrrd", "dicom"] = "nifti"
    precision: Literal["auto", "single"] = "auto"
    device: str = Field("auto", max_length=40)

    def of(self, card: ModelCard) -> ModelCard:
        """The card with the wish; that of what makes no cases as it is."""
        wish = self.model_dump(include=WISHES)
        return wished(card, **wish)


@dataclass(frozen=True)
class Synthesizing:
    """Makes cases, for the label maps among the inputs if there are any.

    While it samples, `preview.png` in its scratch shows the middle slice of the present case.
    It leaves `cases.zip`, a data set; `preview.png`; and `report.json`. Cases that an earlier
    attempt made are kept.

    Args:
        folders: Of the models; workers on other machines need the same.
    """

    folders: tuple[Path, ...] = (SHIPPED_MODELS,)
    name: str = field(default="synthesize", init=False)
    brief: bool = field(default=False, init=False)

    def models(self, request: Mapping[str, Any]) -> tuple[ModelCard, ...]:
        """The model that a request names.

        Raises:
            NotFound: It is not there.
        """
        return (find_card(str(request["model"]), *self.folders),)

    def with_models_in(self, folder: Path) -> Synthesizing:
        """The same, with the models of one folder alone."""
        return Synthesizing((folder,))

    def run(self, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Make them; see `Kind`."""
        started = time.perf_counter()
        asked = SynthesizeRequest.model_validate(dict(task.request))
        asked_of = asked.of(self.models(task.request)[0])
        given = read_given(sorted(task.inputs.iterdir()), asked_of)
        card = for_label_maps(asked_of, given)
        cases = CaseSet(task.scratch / "cases", card, asked.format)
        preview = Preview(task.scratch / PREVIEW)
        synthesizer = Synthesizer(card, task.device, asked.precision, preview)
        numbers = range(asked.first, asked.first + asked.count)
        cases.fill(synthesizer, numbers, given, progress)
        cases.draw(task.results / PREVIEW)
        pack(cases.folder, task.results / "cases.zip")
        answer = {
            "model": card.title,
            "cases": asked.count,
            "synthetic": True,
            "audited": False,
            "seconds": round(time.perf_counter() - started, 3),
            "warnings": [warning_of(card)],
        }
        (task.results / "report.json").write_text(json.dumps(answer, indent=2))
        return answer
