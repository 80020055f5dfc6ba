"""Hygiene finds what is in a set twice, and what leaked."""

from dataclasses import replace

import numpy as np

from tests.audit.people import FLAT, people
from verisim.audit.duplicates import duplicates_of
from verisim.audit.registered import Registered, whole


def test_exact_and_near_duplicates_and_leaks_are_counted() -> None:
    own, new = people(9, FLAT), people(4, FLAT, first=50)
    images = own.images.copy()
    images[1] = own.images[0]  # the same file twice
    images[2] = np.roll(own.images[0], 2, axis=2)  # and moved
    digests = (own.digests[0], own.digests[0], *own.digests[2:])
    training = replace(own, images=images, digests=digests)
    seen = new.images.copy()
    seen[3] = 2 * own.images[7] + 1
    held_out = replace(new, images=seen)
    found = duplicates_of(training, held_out, Registered("texture", whole))
    assert found.clusters == (3,)
    assert found.inside[0].exact
    assert {pair.case for pair in found.leaked} == {"case 53"}
    assert {pair.other for pair in found.leaked} == {"case 7"}
    assert not found.leaked[0].exact


def test_strangers_are_no_duplicates() -> None:
    found = duplicates_of(people(6, FLAT), people(3, FLAT, first=50), Registered("texture", whole))
    assert found.inside == ()
    assert found.clusters == ()
    assert found.leaked == ()
