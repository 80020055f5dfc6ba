"""The closest pairs as volumes: a copy lies on its training case, and nothing is left over."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.audit.sets import Pearson
from tests.audit.test_folder_audit import PATIENT, write_slices
from verisim.audit.folder_audit import FolderAudit, Source
from verisim.audit.planting import KINDS
from verisim.audit.side_by_side import PARTS, write_pairs
from verisim.audit.verdicts import Policy
from verisim.files import read


def test_a_copy_lies_on_its_training_case(tmp_path: Path) -> None:
    known = write_slices(tmp_path / "known", "t", 5, 1, 0)
    made = write_slices(tmp_path / "made", "s", 3, 1, 2)
    copy = (known / "t_3-0.png").read_bytes()
    (made / "s_1-0.png").write_bytes(copy)
    audit = FolderAudit(
        Source(known, subject_pattern=PATIENT),
        Source(write_slices(tmp_path / "others", "h", 19, 1, 1), subject_pattern=PATIENT),
        Source(made),
        policy=Policy(plants=1),
        kinds=KINDS[:1],
    )
    audited = audit(measures=[Pearson()])
    assert write_pairs(tmp_path / "pairs", audited, count=2) == 2
    files = {path.name for path in (tmp_path / "pairs").iterdir()}
    assert files == {f"{number}-{part}.nrrd" for number in (1, 2) for part in PARTS}
    assert audited.report.cases[0].name == "s_1-0"
    first, second = (
        np.abs(read(tmp_path / "pairs" / f"{number}-difference.nrrd").array) for number in (1, 2)
    )
    assert first.max() < 1e-3
    assert second.mean() > 0.1
    agreement = read(tmp_path / "pairs" / "1-agreement.nrrd").array
    assert agreement.min() >= 0
    assert agreement.mean() > 0.9
