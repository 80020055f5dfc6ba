"""Which measures an audit takes, and when they speak."""

from __future__ import annotations

import numpy as np

from verisim.audit.measures import certain


def test_a_texture_that_is_not_certain_does_not_decide() -> None:
    names = ["correlation", "texture"]
    said = certain(np.array([[1.0, 5.4], [1.0, 8.0]]), names)
    assert said.max(axis=1).tolist() == [1.0, 8.0]
    assert certain(np.array([[5.4]]), ["texture"]).tolist() == [[5.4]]
