"""Hygiene finds what is in a set twice, and what leaked."""

from dataclasses import replace

import numpy as np

from tests.audit.people import FLAT, people
from verisim.audit.collection import Collection
from verisim.audit.findings import Hygiene
from verisim.audit.hygiene import hygiene_of
from verisim.audit.registered import Registered
from verisim.audit.seen import Seen
from verisim.audit.standard import Standard


def hygiene(training: Collection, held_out: Collection) -> Hygiene:
    index = Registered("texture", "whole").prepared(training)
    among = (index(training, not_of=training.patients),)
    standard = Standard.among(among, training.strata)
    near = Seen.by(standard, training, among)
    return hygiene_of(near, Seen.by(standard, held_out, (index(held_out),)), training)


def test_exact_and_near_duplicates_and_leaks_are_named() -> None:
    own, new = people(9, FLAT), people(4, FLAT, first=50)
    images = own.images.copy()
    images[1] = own.images[0]  # the same file twice
    images[2] = np.roll(own.images[0], 2, axis=2)  # and moved
    digests = (own.digests[0], own.digests[0], *own.digests[2:])
    training = replace(own, images=images, digests=digests)
    seen = new.images.copy()
    seen[3] = 2 * own.images[7] + 1
    found = hygiene(training, replace(new, images=seen))
    assert found.clusters == (("case 0", "case 1", "case 2"),)
    (leak,) = found.leaks
    assert (leak.first, leak.second) == ("case 53", "case 7")
    assert leak.score < 1  # not the same file, which has 1


def test_strangers_are_no_duplicates() -> None:
    assert hygiene(people(6, FLAT), people(3, FLAT, first=50)) == Hygiene((), ())
