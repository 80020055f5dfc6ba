"""The commands about jobs in the documentation do what it says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.apps.running import Server
from tests.samples import IMAGE
from tests.test_docs import ROOT, blocks
from verisim import files

PAGE = ROOT / "docs" / "serve.md"


def test_the_commands_about_jobs_run(server: Server, tmp_path: Path) -> None:
    shown = [block for block in blocks(PAGE, "sh") if "/jobs" in block]
    assert len(shown) == 1
    program = shown[0].replace("http://127.0.0.1:8000", server.url)
    volume = tmp_path / "volume.nii.gz"
    shutil.copy(IMAGE, volume)
    done = subprocess.run(
        ["bash", "-euc", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "event: end" in done.stdout
    label_map = files.read_label_map(tmp_path / "label.nii.gz")
    assert label_map.shares_grid(files.read(volume))
    assert label_map.array.any()
