"""Students among the models: found by their teacher, asked their own way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verisim.card import ModelCard
from verisim.errors import BadInput
from verisim.jobs.synthesizing import SynthesizeRequest
from verisim.synthesis.comparing import students_of, ways_of
from verisim.synthesis.synthesizer import wished
from verisim.training.distilling import student_of


def test_a_teacher_finds_its_students_of_its_version(
    a_generator: ModelCard, a_stylegan: ModelCard
) -> None:
    fast = student_of(a_generator, "fast", 4)
    other = student_of(replace(a_generator, version=2), "other", 4)
    everybody = [a_generator, a_stylegan, fast, other]
    assert students_of(a_generator, everybody) == [fast]
    assert students_of(fast, everybody) == []


def test_a_student_has_one_way_to_sample(a_generator: ModelCard) -> None:
    fast = student_of(a_generator, "fast", 4)
    assert ways_of(fast) == [fast.generation]
    assert len(ways_of(a_generator)) > 4


def test_another_seed_is_granted_and_other_steps_are_not(a_generator: ModelCard) -> None:
    fast = student_of(a_generator, "fast", 4)
    asked = wished(fast, seed=5, steps=4)
    assert asked.generation is not None
    assert asked.generation.seed == 5
    with pytest.raises(BadInput, match="learned steps 4"):
        wished(fast, steps=10)
    with pytest.raises(BadInput, match="guidance") as refused:
        SynthesizeRequest(model="fast", guidance=1.5).of(fast)
    assert a_generator.title in refused.value.remedy


def test_a_student_does_not_take_the_name_of_its_teacher(a_generator: ModelCard) -> None:
    with pytest.raises(BadInput, match="place of its teacher"):
        student_of(a_generator, a_generator.name, 4)
