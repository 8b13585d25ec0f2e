"""Picture of the training images of the first fold: real faces, and those of each kind of image set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from experiments.augmentation.arms import ARMS, AugmentationArm, build_requests
from experiments.augmentation.classifiers import FOLDS, TRAIN, locate_sets, split_folds
from experiments.augmentation.generators import name_model
from faces.contact_sheets import contact_sheet
from faces.images import Pixels, encode_png
from faces.labels import AGE_GROUPS
from recognition.images.pulled_sets import pull_set
from recognition.images.samples import Samples, load_real_samples

SHOWN: Final = ("WS", "22q11DS")
_TILE: Final = 96


def draw_sheet(out: Path, arms: Sequence[AugmentationArm] = ARMS, folds: int = FOLDS) -> bytes:
    """Draw a PNG with a row for each condition and kind of image set, and a column for each age.

    Raises:
        PullError: a set is not there yet.
    """
    real = load_real_samples(out / TRAIN)
    inside, _ = split_folds(real, folds)[0]
    learnt = real.subset(inside)
    rows: list[list[Pixels | None]] = []
    titles: list[str] = []
    for condition in SHOWN:
        faces = [place for place, sample in enumerate(learnt.samples) if sample.condition == condition]
        rows.append(list(_take_first_of_each_age(learnt.subset(faces))))
        titles.append(f"{condition}\nreal")
        for arm in (arm for arm in arms if arm.kind is not None and arm.real and arm.min_condition is None):
            request = build_requests(arm, name_model(0, conditioned=arm.conditioned), learnt)[condition]
            with pull_set(None, request, locate_sets(arm, out, 0) / condition, classes=learnt.classes) as made:
                rows.append(list(_take_first_of_each_age(made)))
            titles.append(f"{condition}\n{arm.name}")
    return encode_png(
        contact_sheet(
            rows,
            row_titles=titles,
            column_titles=[group.name.replace("_", " ") for group in AGE_GROUPS],
            title="What classifiers learn from",
            footer="Drawings of nobody, and synthetic images learnt from such; no basis for a diagnosis.",
            tile=_TILE,
        )
    )


def _take_first_of_each_age(faces: Samples) -> Iterator[Pixels | None]:
    """Take the first face of each age group; None if there is none."""
    ages = [sample.age_group for sample in faces.samples]
    for group in AGE_GROUPS:
        yield faces.image(ages.index(group.name)) if group.name in ages else None
