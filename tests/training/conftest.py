"""Tiny problems that a network learns within seconds."""

import pytest

from tests.training.tiny_run import a_ball
from verisim.training.examples import Example


@pytest.fixture
def two_examples() -> list[Example]:
    """Two cases of one bright and one dark ball."""
    return [a_ball(1), a_ball(2)]
