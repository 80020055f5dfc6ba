"""The parts of the log and of the figures, on their own."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib.watch import context, metrics, shutdown
from lib.watch.lines import JsonLines, TextLines, worth_a_line
from lib.watch.scrub import without, without_paths
from verisim.errors import BadInput


def a_record(
    logger: str, message: object, *args: object, level: int = logging.WARNING
) -> logging.LogRecord:
    return logging.LogRecord(logger, level, "/srv/lib/x.py", 7, message, args, None)


def told(record: logging.LogRecord) -> dict[str, object]:
    line: dict[str, object] = json.loads(JsonLines().format(record))
    return line


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("cannot read /srv/studies/DOE_JOHN.nii.gz: it is cut", "cannot read …: it is cut"),
        ("'/srv/John Doe/scan 1.nii' is cut", "'…' is cut"),
        ('"/srv/John Doe/scan" is cut', '"…" is cut'),
        ("/data/John Doe/scan.nii.gz is cut", "… is cut"),
        ("C:\\Users\\Doe\\x.dcm is cut", "… is cut"),
        ("file:///srv/x.nii", "…"),
        ("see ~/studies/x", "see …"),
        ("GET /datastore/?output=all lists them, PUT /session/ adds", None),
        ("PUT /uploads/{sha256} or /infer/tiny", None),
        ("Uvicorn running on http://127.0.0.1:8000", None),
        ("2/3 of 1/2 mm, text/plain", None),
    ],
)
def test_paths_are_taken_out_and_addresses_of_routes_stay(text: str, scrubbed: str | None) -> None:
    assert without_paths(text) == (text if scrubbed is None else scrubbed)


def test_names_are_taken_out_the_longest_first() -> None:
    assert without("DOE_1 and DOE", "DOE", "DOE_1", "") == "… and …"


def test_messages_of_others_are_replaced_by_where_they_come_from() -> None:
    line = told(a_record("pydicom", "Invalid value 'Doe^John'"))
    assert line["message"] == "A message of pydicom from x:7"
    assert not worth_a_line(a_record("monailabel.x", "Image: DOE", level=logging.INFO))


def test_errors_among_the_arguments_are_named_by_class_and_code() -> None:
    line = told(a_record("lib.x", "Case %d fails: %s", 3, BadInput("DOE is bad.", "No.")))
    assert line["message"] == "Case 3 fails: BadInput (bad_input)"
    assert told(a_record("lib.x", ValueError("DOE")))["message"] == "ValueError"


def test_an_error_is_told_by_its_frames_and_causes_without_any_message() -> None:
    try:
        try:
            raise KeyError("DOE")
        except KeyError as cause:
            raise RuntimeError("/srv/DOE.nii") from cause
    except RuntimeError:
        record = a_record("lib.x", "It failed")
        record.exc_info = sys.exc_info()
    line = told(record)
    assert line["error"] == "RuntimeError"
    assert [str(f).split(":")[0] for f in line["frames"]] == [__name__, "(KeyError)", __name__]  # type: ignore[attr-defined]
    assert "DOE" not in json.dumps(line)
    assert "DOE" not in TextLines().format(record)
    assert "\n" not in TextLines().format(record)


@pytest.mark.parametrize(
    ("printed", "written"),
    [
        ("[2026-01-01] [7] [MainThread] [INFO] (verisim.x:3) - Epoch 2 of 8", "Epoch 2 of 8"),
        ("[2026-01-01] [7] [MainThread] [INFO] (monailabel.x:3) - Image: DOE", ""),
        (
            "[2026-01-01] [7] [MainThread] [ERROR] (monailabel.x:3) - DOE",
            "A message of monailabel.x:3",
        ),
        ("ValueError: DOE", "The job raised ValueError"),
        ('  File "/srv/DOE.py", line 3', ""),
        ("DOE 100%|####|", ""),
    ],
)
def test_of_what_a_training_prints_only_our_messages_are_written(
    printed: str, written: str
) -> None:
    record = a_record("task_train", printed.replace("%", "%%") % (), level=logging.INFO)
    assert worth_a_line(record) == bool(written)
    assert told(record)["message"] == written


def test_work_in_another_thread_knows_its_request() -> None:
    def ask(name: str) -> tuple[str, str]:
        state = {"request_id": name}
        context.enter_request(state)
        state["user"] = SimpleNamespace(name=f"user of {name}")  # it is known later
        work = context.carried(lambda: (context.request_id(), context.user_name()))
        return worker.submit(work).result()

    with ThreadPoolExecutor(1) as worker:
        for name in ("one", "two"):
            assert copy_context().run(ask, name) == (name, f"user of {name}")
        assert worker.submit(context.request_id).result() == ""


def test_a_label_takes_a_bounded_number_of_values() -> None:
    for n in range(2 * metrics.MOST_VALUES):
        metrics.error(f"code_{n}")
    metrics.error("Doe^John, 1950")
    text = metrics.exposition().decode()
    assert text.count('verisim_errors_total{code="') <= metrics.MOST_VALUES + 1
    assert 'code="other"' in text
    assert "Doe" not in text


def test_a_hook_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    parked: list[int] = []
    monkeypatch.setattr(shutdown, "_hooks", [])
    shutdown.on_shutdown(lambda: parked.append(1))
    shutdown.on_shutdown(lambda: 1 / 0)
    shutdown.on_shutdown(lambda: parked.append(2))
    done = threading.Event()
    shutdown._run_hooks(done)
    assert parked == [1, 2]
    assert done.is_set()


def test_the_unit_of_the_documentation_is_one_that_systemd_accepts(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text()
    (unit,) = re.findall(r"^```ini\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert "\nType=exec\n" in unit
    program = shutil.which("systemd-analyze")
    if program is None:  # a machine without systemd cannot tell
        return
    file = tmp_path / "verisim.service"
    file.write_text(unit.replace("/opt/verisim/bin/verisim", sys.executable))
    done = subprocess.run(
        [program, "verify", str(file)], capture_output=True, text=True, check=False
    )
    assert "verisim.service" not in done.stderr, done.stderr
