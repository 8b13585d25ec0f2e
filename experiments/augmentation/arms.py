"""Arms of the experiment: what the classifiers learn from beside, or instead of, the scarce real faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from experiments.augmentation.labels import Labels
from faces.image_set_request import published_count
from faces.labels import AGE_GROUPS, UNAFFECTED
from recognition.images.samples import Samples
from recognition.images.service_request import ServiceSetRequest


@dataclass(frozen=True)
class AugmentationArm:
    """One way to train.

    Attributes:
        name: for people.
        folder: for files.
        kind: kind of the image set; None for none.
        blend: weight of the first condition.
        times: factor of the study's counts.
        real: learn from the real faces.
        truncation: of the image set; None is that of the study, 0.6.
        min_condition: least probability of its condition that a face of the image set must have, as the classifier of
            real faces of the same fold reads it, which has seen neither validation nor test faces; None keeps all.
        extra_real: learn also from as many further real faces as `unrelated` has synthetic ones.
        base_people: learn also from the unaffected people that the first generator was trained on.
        labels: how the faces of the image set are labelled; by another than "soft", the classifier of real faces of the
            same fold reads them.
        balanced: show every condition equally often.
        conditioned: the faces are of the folds' generators that learnt also from a classifier's loss on conditions.
        grey: share of the real faces, in training and validation part, that are shown in grey.
        images_an_epoch: images shown in an epoch; more take more steps.
        study: accuracies of the study in percent, 22q11DS, unaffected, WS and their mean; None where it has none.
    """

    name: str
    folder: str
    kind: str | None = None
    blend: float | None = None
    times: int = 1
    truncation: float | None = None
    min_condition: float | None = None
    real: bool = True
    extra_real: bool = False
    base_people: bool = False
    labels: Labels = "soft"
    balanced: bool = False
    conditioned: bool = False
    grey: float = 0.0
    images_an_epoch: int = 400
    study: tuple[float, float, float, float] | None = None

    @property
    def select(self) -> str:
        """Figure of the validation part that chooses the best epoch, see `recognition.config`.

        Classifiers that never saw a real face soon give wrong classes a high probability, so their loss is best after
        the first epoch.
        """
        return "loss" if self.real else "balanced_accuracy"

    def estimate_minutes(self, classifiers: int, epochs: int) -> float:
        """Estimate the minutes of one core for the training of so many classifiers."""
        return classifiers * epochs * self.images_an_epoch * _MINUTES_AN_IMAGE


_MINUTES_AN_IMAGE: Final = 57 / 60 / (60 * 400)
"""A classifier of 60 epochs of 400 images took 57 s alone on a core."""

REAL: Final = AugmentationArm("real", "real", study=(68, 86.4, 94, 87.1))

UNRELATED: Final = AugmentationArm("+ unrelated", "unrelated", "unrelated", study=(76, 81.5, 96, 88.4))

VARIED: Final = AugmentationArm("+ unrelated, truncation 1", "unrelated-varied", "unrelated", truncation=1.0)

ARMS: Final = (
    REAL,
    AugmentationArm("+ more real", "extra-real", extra_real=True),
    UNRELATED,
    AugmentationArm("+ age related", "age-related", "age_related", study=(74, 82.5, 96, 88.2)),
    AugmentationArm("+ age progression", "age-progression", "age_progression", study=(76, 82.7, 100, 90.35)),
    AugmentationArm("+ blended 55", "blended-55", "blended", 0.55, study=(68, 85.2, 96, 87.3)),
    AugmentationArm("+ blended 75", "blended-75", "blended", 0.75, study=(76, 85.2, 96, 89.3)),
    VARIED,
    replace(VARIED, name="+ the same, filtered", folder="unrelated-filtered", min_condition=0.5),
    AugmentationArm("synthetic only", "synthetic-1", "unrelated", real=False),
    AugmentationArm("synthetic only, 2 times", "synthetic-2", "unrelated", times=2, real=False),
    AugmentationArm("synthetic only, 4 times", "synthetic-4", "unrelated", times=4, real=False),
)
"""Arms of a run that names none."""

_BLENDED: Final = AugmentationArm("+ blended 55", "blended-55", "blended", 0.55)

FURTHER_ARMS: Final = (
    # Why blends do not help: their labels, or the steps that they take from plain labels.
    replace(_BLENDED, name="+ blended 55, hard labels", folder="blended-55-hard", labels="hard"),
    replace(_BLENDED, name="+ blended 55, corrected labels", folder="blended-55-corrected", labels="corrected"),
    AugmentationArm("real, twice the steps", "real-longer", images_an_epoch=800),
    replace(_BLENDED, name="+ blended 55, twice the steps", folder="blended-55-longer", images_an_epoch=800),
    replace(VARIED, name="+ unrelated, truncation 1, twice the steps", folder="unrelated-longer", images_an_epoch=800),
    # Why synthetic faces alone are not enough: variety, or labels.
    AugmentationArm("synthetic only, truncation 0.8", "synthetic-08", "unrelated", truncation=0.8, real=False),
    AugmentationArm("synthetic only, truncation 1", "synthetic-10", "unrelated", truncation=1.0, real=False),
    AugmentationArm("synthetic only, read labels", "synthetic-read", "unrelated", labels="read", real=False),
    # What of the gain is the people whom the first generator saw.
    AugmentationArm("real, balanced", "real-balanced", balanced=True),
    AugmentationArm("+ people of the base, balanced", "base-people", base_people=True, balanced=True),
    AugmentationArm("+ unrelated, balanced", "unrelated-balanced", "unrelated", balanced=True),
    AugmentationArm(
        "+ unrelated and people of the base, balanced",
        "base-people-unrelated",
        "unrelated",
        base_people=True,
        balanced=True,
    ),
    # Whether a classifier that corrects the generator helps; only with generators of the folds.
    replace(
        UNRELATED, name="+ unrelated, condition loss", folder="unrelated-conditioned", conditioned=True, study=None
    ),
    # Whether a few grey photographs among coloured ones matter.
    AugmentationArm("real, a quarter grey", "real-grey", grey=0.25),
    replace(VARIED, name="+ unrelated, truncation 1, a quarter of real grey", folder="unrelated-grey", grey=0.25),
)
"""Arms that take the results apart; a run trains those that it names."""

ALL_ARMS: Final = (*ARMS, *FURTHER_ARMS)


def build_requests(arm: AugmentationArm, model: str, learnt: Samples) -> dict[str, ServiceSetRequest]:
    """Build the requests for the image sets of an arm and a fold, by condition, with the counts of the study.

    Args:
        arm: the arm.
        model: name of the fold's generator, and of the classifier that filters its faces.
        learnt: the fold's training part, whose faces are counted.
    """
    if arm.kind is None:
        return {}
    counts = count_as_study(learnt, arm.kind)
    if arm.real:
        del counts[UNAFFECTED]
    return {
        name: ServiceSetRequest(
            arm.kind,
            conditions=(name,),
            count=count * arm.times,
            blend=arm.blend,
            seed=0,
            model=model,
            truncation=arm.truncation,
            min_condition=arm.min_condition,
            classifier=None if arm.min_condition is None else model,
        )
        for name, count in counts.items()
    }


def count_as_study(learnt: Samples, kind: str = "unrelated") -> dict[str, int]:
    """Count the synthetic images for each condition and age as the study did, for every condition."""
    images = Counter(sample.condition for sample in learnt.samples)
    return {
        name: published_count(kind, images[name], ages=len(AGE_GROUPS), conditions=len(learnt.classes))
        for name in learnt.classes
    }


def select_further_faces(pool: Samples, learnt: Samples) -> Samples:
    """Select further real faces: as many for each affected condition and age as `unrelated` has synthetic ones."""
    counts = count_as_study(learnt)

    def chosen() -> Iterator[int]:
        left = {(name, group.name): counts[name] for name in counts if name != UNAFFECTED for group in AGE_GROUPS}
        for index, sample in enumerate(pool.samples):
            cell = (str(sample.condition), str(sample.age_group))
            if left.get(cell, 0) > 0:
                left[cell] -= 1
                yield index

    return pool.subset(chosen())
