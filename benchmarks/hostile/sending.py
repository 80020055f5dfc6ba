"""Where a damaged upload is sent, and what came back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import requests

from hostile.specimens import Specimen

SECONDS = 120
"""An answer that takes longer hangs."""

PROBLEM = {"code", "message", "remedy", "request_id"}
STORED = "fuzz"
"""Id of the image that uploads to the datastore get."""

Files = list[tuple[str, tuple[str | None, bytes]]]


@dataclass(frozen=True)
class Answer:
    """What came back for one upload.

    Args:
        status: Of HTTP; 0 if nothing came.
        code: Of the error; "" for a volume that could be read.
        seconds: Until it came.
        fault: Which law it breaks; "" if none.
        text: The beginning of the answer.
    """

    status: int
    code: str
    seconds: float
    fault: str = ""
    text: str = ""


class Server:
    """The routes that take volumes.

    Args:
        url: Where it listens.
        model: That segments what can be read.
        image: Id of an image of its datastore, to which labels are sent.
    """

    def __init__(self, url: str, model: str, image: str) -> None:
        self.url = url
        self._model = model
        self._image = image
        self._session = requests.Session()
        paths = self._session.get(f"{url}/openapi.json", timeout=SECONDS).json()["paths"]
        doors: dict[str, tuple[str, Callable[[Specimen], requests.Response]]] = {
            "/infer": ("/infer/{model}", self._infer),
            "/session": ("/session/", self._by_session),
            "/datastore/image": ("/datastore/image", self._image_stored),
            "/datastore/label": ("/datastore/label", self._label_stored),
            "/jobs/segment": ("/jobs/segment", self._job),
            "/uploads": ("/uploads/{sha256}", self._by_upload),
        }
        self._doors = {name: door for name, (path, door) in doors.items() if path in paths}

    @property
    def doors(self) -> tuple[str, ...]:
        """Names of the routes that there are."""
        return tuple(self._doors)

    def send(self, door: str, specimen: Specimen) -> Answer:
        """Send an upload through a door; what is stored is deleted again."""
        started = time.perf_counter()
        try:
            response = self._doors[door](specimen)
        except requests.RequestException as error:
            return Answer(0, type(error).__name__, time.perf_counter() - started, "no answer")
        return judged(response, time.perf_counter() - started)

    def lives(self) -> bool:
        """Whether it still answers."""
        try:
            return self._session.get(f"{self.url}/info/", timeout=SECONDS).status_code == 200
        except requests.RequestException:
            return False

    def _ask(
        self,
        method: str,
        path: str,
        files: Files | None = None,
        data: bytes | None = None,
        json: object = None,
    ) -> requests.Response:
        url = f"{self.url}{path}"
        return self._session.request(
            method, url, files=files, data=data, json=json, timeout=SECONDS
        )

    def _infer(self, specimen: Specimen) -> requests.Response:
        if len(specimen.files) > 1:  # this route takes one file
            return self._by_session(specimen)
        return self._ask("POST", f"/infer/{self._model}", files=sent(specimen, "file"))

    def _by_session(self, specimen: Specimen) -> requests.Response:
        made = self._ask("PUT", "/session/", files=sent(specimen, "files"))
        if made.status_code != 200:
            return made
        name = made.json()["session_id"]
        answer = self._ask("POST", f"/infer/{self._model}?session_id={name}")
        self._ask("DELETE", f"/session/{name}")
        return answer

    def _image_stored(self, specimen: Specimen) -> requests.Response:
        path = f"/datastore/image?image={STORED}"
        answer = self._ask("PUT", path, files=sent(specimen, "file")[:1])
        if answer.status_code == 200:
            self._ask("DELETE", f"/datastore/image?id={STORED}")
        return answer

    def _label_stored(self, specimen: Specimen) -> requests.Response:
        path = f"/datastore/label?image={self._image}&tag={STORED}"
        answer = self._ask("PUT", path, files=sent(specimen, "label")[:1])
        if answer.status_code == 200:
            self._ask("DELETE", f"/datastore/label?id={self._image}&tag={STORED}")
        return answer

    def _by_upload(self, specimen: Specimen) -> requests.Response:
        """Keep every file by its hash, then segment what they make together."""
        kept = []
        for name, content in specimen.files:
            kept.append(hashlib.sha256(content).hexdigest())
            path = f"/uploads/{kept[-1]}?name={quote(name)}"
            made = self._ask("PUT", path, data=content)
            if made.status_code != 201:
                return self._removed(kept, made)
        if len(kept) > 1:
            made = self._ask("POST", "/uploads/series", json={"files": kept})
            if made.status_code != 201:
                return self._removed(kept, made)
            kept.append(made.json()["id"])
        return self._removed(kept, self._ask("POST", f"/infer/{self._model}?upload={kept[-1]}"))

    def _removed(self, kept: Sequence[str], answer: requests.Response) -> requests.Response:
        for one in kept:
            self._ask("DELETE", f"/uploads/{one}")
        return answer

    def _job(self, specimen: Specimen) -> requests.Response:
        """The job's result, or the refusal."""
        asked: Files = [("params", (None, f'{{"model": "{self._model}"}}'.encode()))]
        made = self._ask("POST", "/jobs/segment", files=[*asked, *sent(specimen, "file")])
        if made.status_code != 202:
            return made
        job = made.json()["id"]
        deadline = time.monotonic() + SECONDS
        while not self._ended(job) and time.monotonic() < deadline:
            time.sleep(0.02)
        answer = self._ask("GET", f"/jobs/{job}/result")
        self._ask("DELETE", f"/jobs/{job}/data")
        return answer

    def _ended(self, job: str) -> bool:
        state = self._ask("GET", f"/jobs/{job}").json()["state"]
        return state in {"done", "failed", "cancelled"}


def sent(specimen: Specimen, field: str) -> Files:
    """The parts of the form; a name that HTTP cannot carry is sent without what it cannot."""
    return [(field, (name.replace("\0", "%00"), content)) for name, content in specimen.files]


def judged(response: requests.Response, seconds: float) -> Answer:
    """An answer, and which law it breaks."""
    status, text = response.status_code, response.text[:300] if response.status_code != 200 else ""
    code, fault = "", ""
    if status != 200:
        code, fault = _named(response)
    if status >= 500:
        fault = f"status {status}"
    elif seconds > SECONDS:
        fault = "too slow"
    return Answer(status, code, seconds, fault, text)


def _named(response: requests.Response) -> tuple[str, str]:
    try:
        body = response.json()
    except ValueError:
        return "", "no JSON"
    if not isinstance(body, dict) or set(body) != PROBLEM or not body["message"]:
        return "", "not in the form of errors"
    return str(body["code"]), "internal" if body["code"] == "internal" else ""
