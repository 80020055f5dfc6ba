"""Pairs of one person, which say nothing of copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.rows import Chosen


@dataclass(frozen=True, eq=False)
class Apart:
    """Whose each image is, so that pairs of one person can be left out.

    Args:
        queries: A number for each query, (Q,).
        training: A number for each training image, (N,).
    """

    queries: npt.NDArray[np.intp]
    training: npt.NDArray[np.intp]

    def forbidden(self, rows: Chosen, device: torch.device) -> Tensor:
        """Pairs of queries and some training images that do not count, (Q, n)."""
        same = self.queries[:, np.newaxis] == self.training[np.newaxis, rows]
        return torch.from_numpy(same).to(device)
