"""The cases of MONAI Label's datastore that somebody has labelled, as a data set to learn from."""

from __future__ import annotations

from pathlib import Path

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag

from lib.training_options import TrainingOptions
from verisim.card import ModelCard
from verisim.dataset import Case, Dataset, split_by_subject
from verisim.errors import BadDataset
from verisim.subjects import subject_of

FINAL = str(DefaultLabelTag.FINAL.value)
"""The tag of labels that a person has approved."""

FEWEST = 2
"""Cases, and subjects: one to learn from and one to validate."""


def labelled_dataset(datastore: Datastore, card: ModelCard, options: TrainingOptions) -> Dataset:
    """The cases with a final label, split by subject.

    Raises:
        BadDataset: Too few cases or subjects, or labels that mean something else to the model.
    """
    cases = tuple(
        _case(datastore, name, card, options.subject_pattern)
        for name in sorted(datastore.get_labeled_images(FINAL))
    )
    _check_enough(cases)
    return Dataset(
        name=datastore.name(),
        cases=cases,
        channels=card.channels,
        labels=card.labels,
        licence="unknown",
        splits=split_by_subject(cases, options.seed, options.val_split),
    )


def _case(datastore: Datastore, name: str, card: ModelCard, pattern: str) -> Case:
    _check_names(datastore, name, card)
    label = Path(datastore.get_label_uri(name, FINAL))
    return Case(name, subject_of(name, pattern), (Path(datastore.get_image_uri(name)),), label)


def _check_enough(cases: tuple[Case, ...]) -> None:
    if len(cases) < FEWEST:
        raise BadDataset(
            f"The studies hold {len(cases)} case(s) with a label of the tag {FINAL!r}; "
            f"fine-tuning needs at least {FEWEST}, one to learn from and one to validate.",
            f"Label more cases and save them with the tag {FINAL!r}.",
        )
    subjects = {case.subject for case in cases}
    if len(subjects) < FEWEST:
        raise BadDataset(
            f"All {len(cases)} labelled cases belong to the subject {subjects.pop()!r}; "
            "validation needs another subject than training.",
            "Label a case of another subject, or correct subject_pattern.",
        )


def _check_names(datastore: Datastore, name: str, card: ModelCard) -> None:
    """Slicer numbers the segments it saves anew and sends their names: 1 may be another label."""
    for entry in datastore.get_label_info(name, FINAL).get("label_info") or ():
        told, value = str(entry.get("name", "")), entry.get("idx")
        if isinstance(value, int) and card.labels.get(told) != value:
            raise BadDataset(
                f"In the label of {name}, {value} means {told!r}; {card.title} has "
                f"{', '.join(f'{v} {n}' for n, v in card.labels.items())}.",
                "Save the label again with all segments of the model, in its order.",
            )
