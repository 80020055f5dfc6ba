"""A PACS of one series on a loopback port, which can be told to do things wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

from pydicom import Dataset, dcmread, dcmwrite

BOUNDARY = "a-boundary"

Answer = Callable[["Handler"], None]


def encoded(instance: Dataset) -> bytes:
    """The bytes of a file."""
    with BytesIO() as file:
        dcmwrite(file, instance, write_like_original=False)
        return file.getvalue()


@dataclass
class Behaviour:
    """What it has, and what it does.

    Args:
        instances: Files of the one series.
        search: Answers a search; None to answer as one should.
        send: Answers a request for the series or for an instance.
        metadata: Answers a request for metadata.
        store: Answers a request to store.
        promised: Instances that a search promises; None for those that there are.
        asked: Paths of all requests.
        stored: Files that were stored.
        silence: Ends the waiting of all that never answer.
    """

    instances: list[bytes]
    series: Dataset
    search: Answer | None = None
    send: Answer | None = None
    metadata: Answer | None = None
    store: Answer | None = None
    promised: int | None = None
    asked: list[str] = field(default_factory=list)
    stored: list[Dataset] = field(default_factory=list)
    silence: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def do_GET(self) -> None:
        """Search, metadata, or files."""
        self.behaviour.asked.append(self.path)
        if self.path.endswith("/metadata"):
            (self.behaviour.metadata or Handler.tell_metadata)(self)
        elif "/studies/" in self.path:
            (self.behaviour.send or Handler.send_files)(self)
        else:
            (self.behaviour.search or Handler.tell_series)(self)

    def do_POST(self) -> None:
        """Store one file."""
        self.behaviour.asked.append(self.path)
        (self.behaviour.store or Handler.keep)(self)

    def answer(self, status: int, kind: str, body: bytes = b"") -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def tell_series(self) -> None:
        """The series, and the segmentations that were stored."""
        b = self.behaviour
        wanted = self.path.partition("Modality=")[2].partition("&")[0]
        headers = [b.series, *b.stored]
        found = [self._entry(h) for h in headers if str(h.Modality) == wanted]
        self.answer(200, "application/dicom+json", json.dumps(found).encode())

    def tell_metadata(self) -> None:
        """Of the segmentation that the path names."""
        found = [json.loads(s.to_json()) for s in self.behaviour.stored if self._names(s)]
        for entry in found:
            entry.pop("7FE00010", None)
        self.answer(200, "application/dicom+json", json.dumps(found).encode())

    def send_files(self, files: list[bytes] | None = None, end: bool = True) -> None:
        """Files as the parts of one answer."""
        b = self.behaviour
        stored = [encoded(s) for s in b.stored if self._names(s)]
        body = b"".join(
            f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + part
            for part in (files if files is not None else stored or b.instances)
        )
        body += f"\r\n--{BOUNDARY}--\r\n".encode() if end else b""
        self.answer(200, f'multipart/related; type="application/dicom"; boundary={BOUNDARY}', body)

    def body(self) -> bytes:
        """What was posted, also in chunks."""
        length = self.headers.get("Content-Length")
        if length:
            return self.rfile.read(int(length))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(chunks)

    def keep(self) -> None:
        """Store what was posted."""
        part = self.body().partition(b"\r\n\r\n")[2]
        self.behaviour.stored.append(dcmread(BytesIO(part)))
        reference = {"00081199": {"vr": "SQ", "Value": [{}]}}
        self.answer(200, "application/dicom+json", json.dumps(reference).encode())

    def wait(self) -> None:
        """Never answer."""
        self.behaviour.silence.wait(60)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _names(self, instance: Dataset) -> bool:
        return str(instance.SeriesInstanceUID) in self.path

    def _entry(self, header: Dataset) -> dict[str, object]:
        image = header is self.behaviour.series
        count = len(self.behaviour.instances) if image else 1
        if image and self.behaviour.promised is not None:
            count = self.behaviour.promised
        return {
            "00080060": {"vr": "CS", "Value": [str(header.Modality)]},
            "0020000D": {"vr": "UI", "Value": [str(header.StudyInstanceUID)]},
            "0020000E": {"vr": "UI", "Value": [str(header.SeriesInstanceUID)]},
            "00100020": {"vr": "LO", "Value": [str(header.PatientID)]},
            "00201209": {"vr": "IS", "Value": [count]},
        }


@contextmanager
def misbehaving(series: list[Dataset], port: int = 0) -> Iterator[tuple[str, Behaviour]]:
    """A PACS with one series: its address, and what it does, to be changed."""
    behaviour = Behaviour([encoded(instance) for instance in series], series[0])
    handler = type("OneHandler", (Handler,), {"behaviour": behaviour})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web", behaviour
    finally:
        behaviour.silence.set()
        server.shutdown()
        thread.join()
        server.server_close()


def html(handler: Handler) -> None:
    """Answer with a page for people."""
    handler.answer(200, "text/html", b"<html>Please log in</html>")


def status(code: int) -> Answer:
    """Answer with a status of HTTP."""
    return lambda handler: handler.answer(code, "text/plain", b"no")
