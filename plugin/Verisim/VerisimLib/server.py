"""What a panel may want of a server: one method for each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from VerisimLib.answers import (
    Dataset,
    Info,
    Job,
    NextCase,
    Synthesis,
    datasets_of,
    info_of,
    job_of,
    syntheses_of,
)
from VerisimLib.client import Client
from VerisimLib.problems import (
    Busy,
    Cut,
    NoSuchRoute,
    Odd,
    Problem,
    Refused,
    Rejected,
    Stopped,
    TooSlow,
    WrongVersion,
)
from VerisimLib.questions import Question, Refinement

POLL_SECONDS = 0.4
"""Between two looks at a job."""

PATIENCE = 5
"""Looks that may fail one after the other."""

PARTING_SECONDS = 2.0
"""For the last word to a server: the person has gone on."""

PASSING = (Cut, TooSlow, Refused, Busy)
"""What may be over a moment later."""

SPOKEN = ("0.1",)
"""Versions of the server that this client speaks, as major.minor."""

Show = Callable[[float, str], None]
"""Is told a percentage and what happens."""


def silent(percent: float, message: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Server:
    """Asks one server.

    Args:
        client: Reaches it.
    """

    client: Client

    def info(self) -> Info:
        """What the server is.

        Raises:
            WrongVersion: It is a Verisim that this panel does not speak to.
            Problem: What else is wrong; the class says it.
        """
        info = info_of(self.client.json("GET", "/info/"))
        if info.verisim and not info.version.startswith(SPOKEN):
            raise WrongVersion(
                f"The server is Verisim {info.version}; this panel speaks to "
                f"{' and '.join(SPOKEN)}.",
                "Install the extension and the server of the same version.",
            )
        return info

    def upload(self, content: bytes, name: str, show: Show = silent) -> str:
        """Send a file unless the server has it; returns the id by which requests name it.

        Args:
            content: Of the file.
            name: Only its suffix is used; names may tell of patients.
            show: Is told how much has gone.
        """
        id_ = hashlib.sha256(content).hexdigest()
        if not self.client.exists(f"/uploads/{id_}"):
            suffix = name[name.index(".") :] if "." in name else ""
            route = f"/uploads/{id_}?{urlencode({'name': 'volume' + suffix})}"
            self.client.send(route, content, lambda percent: show(percent, "Sending the volume"))
        return id_

    def segment(self, question: Question, upload: str) -> str:
        """Ask for a segmentation; returns the job's id.

        Args:
            question: What is asked.
            upload: Id of the volume.
        """
        params = {
            **question.settings,
            "model": question.model,
            "outputs": list(question.outputs),
            "result_extension": ".nrrd",
        }
        route = f"/jobs/segment?{urlencode({'upload': upload})}"
        return _id(self.client.form("POST", route, params))

    def synthesize(
        self, model: str, settings: Mapping[str, Any], label_maps: Sequence[bytes] = ()
    ) -> str:
        """Ask for cases; returns the job's id.

        Args:
            model: Its name.
            settings: count, first, seed, steps, guidance, attributes, …
            label_maps: What the images shall show, each the content of a .nrrd file.
        """
        params = {**settings, "model": model, "format": "nrrd"}
        files = [(f"label{k}.nrrd", one) for k, one in enumerate(label_maps)]
        return _id(self.client.form("POST", "/jobs/synthesize", params, files))

    def audit(self, settings: Mapping[str, Any]) -> str:
        """Ask for an audit; returns the job's id.

        Args:
            settings: training, held_out, synthesis, images, …
        """
        return _id(self.client.json("POST", "/jobs/audit", settings))

    def syntheses(self) -> tuple[Synthesis, ...]:
        """The person's jobs that made cases, the newest first."""
        return syntheses_of(self.client.json("GET", "/jobs"))

    def datasets(self) -> tuple[Dataset, ...]:
        """The data sets that an audit may name."""
        return datasets_of(self.client.json("GET", "/datasets"))

    def refine(self, asked: Refinement) -> bytes:
        """The label map (.nrrd) of a model, corrected by clicks."""
        clicks = [
            {"position_mm": list(one.place), "label": one.label, "belongs": one.belongs}
            for one in asked.clicks
        ]
        query = urlencode({"upload": asked.upload, "output": "image"})
        params = {**asked.settings, "clicks": clicks, "result_extension": ".nrrd"}
        return self.client.answer("POST", f"/refine/{quote(asked.model)}?{query}", params)

    def train(self, model: str, settings: Mapping[str, Any]) -> str:
        """Ask for a training on the final labels; returns the job's id."""
        return _id(self.client.json("POST", "/jobs/train", {**settings, "model": model}))

    def job(self, id_: str) -> Job:
        """How far a job is."""
        return job_of(self.client.json("GET", f"/jobs/{quote(id_)}"))

    def cancel(self, id_: str) -> None:
        """End a job; one that has ended stays as it is."""
        self.client.json("DELETE", f"/jobs/{quote(id_)}")

    def wait(self, id_: str, show: Show = silent) -> Job:
        """Look at a job until it has ended; a person who cancels ends it on the server, too.

        A server that cannot be reached for a moment is asked again: the job goes on there.

        Raises:
            Stopped: It was cancelled.
            Problem: It failed; message and remedy are the server's.
        """
        job, missed = Job(id_, "queued"), 0
        while not job.ended:
            try:
                job, missed = self.job(id_), 0
                show(job.percent, said(job))
            except PASSING as problem:
                missed += 1
                if missed > PATIENCE:
                    raise
                show(job.percent, f"{problem.message} Trying again: {missed} of {PATIENCE}.")
            self._rest(id_, job)
        if job.state == "cancelled":
            raise Stopped()
        if job.state == "failed":
            message, remedy = job.error
            raise Problem(message or "The server could not do it.", remedy or "Look at its log.")
        return job

    def _rest(self, id_: str, job: Job) -> None:
        """Wait a little, unless the job has ended."""
        end = time.monotonic() + POLL_SECONDS
        while not job.ended and time.monotonic() < end:
            if self.client.stopped():
                self._give_up(id_)
                raise Stopped()
            time.sleep(0.02)

    def _give_up(self, id_: str) -> None:
        """Tell the server that nobody wants a job any more; a server that is away cannot know."""
        try:
            Server(Client(self.client.address, seconds=PARTING_SECONDS)).cancel(id_)
        except PASSING:
            return

    def fetch(self, url: str, show: Show = silent) -> bytes:
        """The content of a file of the server.

        Raises:
            Cut: The connection ended before all had come.
        """
        return self.client.read(url, lambda percent: show(percent, "Receiving the result"))

    def preview(self, id_: str) -> bytes:
        """A picture (PNG) of what a job makes at present; empty if there is none yet."""
        route = f"/jobs/{quote(id_)}/preview"
        try:
            return self.client.read(route)
        except (NoSuchRoute, Rejected):
            return b""

    def infer(self, question: Question, content: bytes) -> bytes:
        """A label map (.nrrd) of a plain MONAI Label server, which knows no jobs."""
        route = f"/infer/{quote(question.model)}?output=image"
        params = {**question.settings, "result_extension": ".nrrd"}
        return self.client.answer("POST", route, params, [("volume.nrrd", content)])

    def next_case(self, strategy: str) -> NextCase:
        """The case that is best labelled next; its url is empty when none is left."""
        told = self.client.json("POST", f"/activelearning/{quote(strategy)}", {})
        if not told:
            return NextCase("", "")
        return NextCase(str(told["id"]), f"/datastore/image?{urlencode({'image': told['id']})}")

    def add_image(self, name: str, content: bytes) -> None:
        """Put a volume into the server's studies.

        Args:
            name: Its id there.
            content: Of a .nrrd file.
        """
        route = f"/datastore/image?{urlencode({'image': name})}"
        self.client.form("PUT", route, {}, [(f"{name}.nrrd", content)])

    def save_label(
        self, image: str, content: bytes, labels: Sequence[Mapping[str, Any]], tag: str = "final"
    ) -> None:
        """Keep a label map as the label of an image of the studies.

        Args:
            image: Its id there.
            content: Of a .nrrd file.
            labels: name and idx of each value, and its color.
            tag: final labels are learned from.
        """
        route = f"/datastore/label?{urlencode({'image': image, 'tag': tag})}"
        self.client.form(
            "PUT", route, {"label_info": list(labels)}, [("label.nrrd", content)], "label"
        )


def said(job: Job) -> str:
    """What a job does, for a person."""
    if job.position:
        return f"Waiting: number {job.position} in the queue"
    left = "" if job.eta is None else f", {max(1, round(job.eta))} s left"
    return f"{job.message or 'Working'}{left}"


def _id(told: Mapping[str, Any]) -> str:
    if "id" not in told:
        raise Odd("The server took the job but told no number.", "Try again.")
    return str(told["id"])
