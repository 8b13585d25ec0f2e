"""Classes that a classifier learns from an image set, and the soft labels of its images in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.errors import ConfigError, DatasetError
from recognition.images.set_cache import Row, SetIdentity

_HARD: Final = 1 - 1e-6


def choose_classes(classes: Sequence[str] | None, conditions: tuple[str, ...], model: str) -> tuple[str, ...]:
    """Return the classes asked for, all of which the generator must know; its conditions if none are asked for.

    Raises:
        ConfigError: no class, one twice, or one that the generator does not know.
    """
    if classes is None:
        return conditions
    if not classes or len(set(classes)) != len(classes):
        raise ConfigError(f"classes are {list(classes)}; expected one or more different names")
    if strange := [name for name in classes if name not in conditions]:
        raise ConfigError(
            f"the model {model} knows the conditions {', '.join(conditions)} and not the class "
            f"{', '.join(map(repr, strange))}; expected it to know all classes: take another model, or other classes"
        )
    return tuple(classes)


def check_conditions(identity: SetIdentity, classes: tuple[str, ...]) -> None:
    """Refuse a set with conditions that are no classes, before it is fetched.

    Raises:
        ConfigError: a condition or partner is no class.
    """
    named = [*identity.request.get("conditions", ()), *identity.request.get("partners", ())]
    if strange := sorted(set(named) - set(classes)):
        raise ConfigError(
            f"the set {identity.set_id} has images of {', '.join(strange)}, which is none of the classes "
            f"{', '.join(classes)}; ask for `conditions` (and `partners` of blends) that are, or add the class"
        )


def order_soft_label(row: Row, identity: SetIdentity, classes: tuple[str, ...]) -> tuple[float, ...]:
    """Return a row's soft label in the order of the classes.

    Raises:
        DatasetError: a part of it is of a condition that is no class.
    """
    weights = dict(zip(identity.conditions, (float(weight) for weight in row["soft_label"]), strict=True))
    label = tuple(weights[name] for name in classes)
    if sum(label) < _HARD:
        rest = {name: weight for name, weight in weights.items() if weight and name not in classes}
        raise DatasetError(
            f"image {row['index']} of the set {identity.set_id} is labelled {rest}, outside the classes "
            f"{', '.join(classes)}; ask for conditions that are classes"
        )
    return label


def find_hard_class(label: Sequence[float], classes: Sequence[str]) -> str | None:
    """Find the class that has the whole weight of a soft label; None if several share it."""
    return next((name for name, weight in zip(classes, label, strict=True) if weight >= _HARD), None)
