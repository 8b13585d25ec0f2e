"""Design of a survey that has a key already."""

from __future__ import annotations

from collections import Counter

from core.errors import DatasetError
from studies.answers.key import AnswerKey, KeyImage
from studies.answers.table import list_variants
from studies.plan.study_design import FaceGroup, StudyDesign


def describe_key(
    key: AnswerKey, participants: int, accuracy: float, shown: int | None = None
) -> tuple[StudyDesign, list[list[KeyImage]]]:
    """Describe the design of a survey by its key.

    Args:
        participants: number of them, shared evenly among the versions.
        accuracy: share of right answers of all groups.
        shown: faces of each condition and age group that a participant sees; None for all.

    Returns:
        the design, and the image of each version and each face.

    Raises:
        DatasetError: a version that lacks a face, or shows it twice; more versions than variants, or fewer.
    """
    versions: dict[str, dict[str, KeyImage]] = {}
    for image in key.values():
        if versions.setdefault(image.version, {}).setdefault(image.face, image) is not image:
            raise DatasetError(f"version {image.version!r} shows face {image.face!r} twice; expected each face once")
    names, variants = sorted(versions), list_variants(image.variant for image in key.values())
    if len(names) != len(variants) or any(faces.keys() != versions[names[0]].keys() for faces in versions.values()):
        raise DatasetError(
            f"the key has versions {', '.join(names)} of the variants {', '.join(variants)}; expected as many versions "
            "as variants, each with the same faces"
        )
    faces = sorted(versions[names[0]].values(), key=lambda one: (one.condition, one.age_group, one.face))
    images = [[versions[name][face.face] for face in faces] for name in names]
    groups = Counter((face.condition, face.age_group) for face in faces)
    options = dict.fromkeys(option for one in faces for option in (*one.options, one.condition))
    design = StudyDesign(
        name="key",
        groups=tuple(
            FaceGroup(condition, count, min(shown or count, count), accuracy, age_group)
            for (condition, age_group), count in groups.items()
        ),
        options=tuple(options),
        participants=(1,) * len(names),
        variants=tuple(variants),
        assignment=tuple(tuple(variants.index(image.variant) for image in row) for row in images),
    )
    return design.with_participants(participants), images
