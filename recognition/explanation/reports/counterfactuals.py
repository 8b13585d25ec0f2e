"""Counterfactuals of a synthetic face: changes of the face, and the answers of a classifier for the changed faces.

A service makes the face again from the same random vector with another condition, and moves it along single
directions. Generated faces of a condition differ in more than its features, and an edit changes more than its trait:
a change of the answer says something about the classifier, and is no basis for a diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from core.errors import DatasetError, PullError
from faces.images import Pixels, read_image
from gestaltgen_client import Client, ImageSet, JobError, ServiceError
from recognition.classifier import Classifier
from recognition.explanation.face_explanation import average_probabilities, compute_logits_of_face, find_class

SPREADS: Final = 2.0
"""Length of an edit, both ways, in standard deviations of the latents along its direction."""

_KINDS: Final = ("unrelated", "age_related", "age_progression")
_ROUNDING: Final = 4
"""Largest difference of a pixel between renderings of one image in batches of different sizes."""


@dataclass(frozen=True)
class FaceOrigin:
    """Origin of a face that a service made, by its own statement: what it takes to make the face again.

    Attributes:
        model: name of the generator.
        what: fields of the request, and label and seed of the face.
    """

    model: str
    what: Mapping[str, Any]


@dataclass(frozen=True)
class Counterfactual:
    """Changed face, and the answer of the classifiers for it.

    Attributes:
        change: "condition", or the name of a direction.
        to: the other condition, or the strength along the direction.
        image: (h, w, 3) uint8.
        answer: the most probable class.
        probability: probability of the target, mean over the classifiers.
        probability_change, logit_change: change of the target's probability and logit against the unchanged face.
        verdict: the service's verdict on an edit; None for another condition.
    """

    change: str
    to: str | float
    image: Pixels
    answer: str
    probability: float
    probability_change: float
    logit_change: float
    verdict: str | None

    @property
    def title(self) -> str:
        """Name of the change, for people."""
        return f"as {self.to}" if isinstance(self.to, str) else f"{self.change} {self.to:+.1f}"

    def to_json(self) -> dict[str, Any]:
        """Return everything but the picture, for JSON."""
        return {name: value for name, value in vars(self).items() if name != "image"} | {"title": self.title}


@dataclass(frozen=True)
class Counterfactuals:
    """Changes of one face, conditions first, and by title the reason why the service could not make a change."""

    changes: tuple[Counterfactual, ...]
    left_out: Mapping[str, str]


def make_counterfactuals(
    classifiers: Sequence[Classifier], client: Client, picture: bytes, target: str
) -> Counterfactuals:
    """Change a face that a service made, and classify each changed face.

    The condition becomes each other one of the generator, and the face moves along each direction that is not for one
    condition, by SPREADS standard deviations both ways; other measured attributes are held.

    Args:
        classifiers: of the same classes and size, as of the folds of a cross-validation.
        client: of the service.
        picture: the face's file, as the service delivered it.
        target: class that is followed.

    Raises:
        DatasetError: the service did not make the face, or cannot make it again.
        PullError: the service is gone, or fails.
    """
    try:
        origin = find_origin(client, picture)
        original = _render_condition(client, origin, origin.what["condition"])
        pixels = read_image(picture)
        again = original.image_set.item(original.place).array()
        if again.shape != pixels.shape or np.abs(again.astype(int) - pixels).max() > _ROUNDING:
            raise DatasetError(
                f"seed {origin.what['seed']} of {origin.model} gives another picture than this face; expected the "
                "file of an image set with the published steps of age, unchanged"
            )
        before = compute_logits_of_face(classifiers, pixels)
        changes, left_out = list[Counterfactual](), dict[str, str]()
        for change, to, render in _list_changes(client, origin, original):
            try:
                image, verdict = render()
            except (ServiceError, JobError) as error:
                if _is_failure(error):
                    raise
                left_out[f"{change} {to}"] = str(error)
            else:
                changes.append(_classify_change(classifiers, before, target, change, to, image, verdict))
    except (ServiceError, JobError) as error:
        raise PullError(f"the service does not change the face: {error}") from error
    return Counterfactuals(tuple(changes), left_out)


def find_origin(client: Client, picture: bytes) -> FaceOrigin:
    """Find how a service made a face.

    Raises:
        DatasetError: it did not, or the file does not say how.
    """
    answer = client.verify(picture)
    claim = answer["claim"] or {}
    what = claim.get("what", {})
    known = answer["verdict"] == "made here" and answer["source"] == "synthetic" and what.get("kind") in _KINDS
    if not known:
        raise DatasetError(
            f"the service says of this face: {answer['verdict']}; counterfactuals need the file of an image of a set "
            f"({', '.join(_KINDS)}) as this service delivered it"
        )
    for model in client.models():
        if model["weights_sha256"] == claim["weights_sha256"]:
            return FaceOrigin(str(model["name"]), what)
    raise DatasetError(
        f"no generator of the service has the weights {claim['weights_sha256'][:12]} that made this face; start the "
        "service with them"
    )


@dataclass(frozen=True)
class _Rendering:
    """Image set, and the place of the face in it."""

    image_set: ImageSet
    place: int


def _render_condition(client: Client, origin: FaceOrigin, condition: str) -> _Rendering:
    """Make the face again, with a condition."""
    what = origin.what
    made = client.create(
        kind=what["kind"],
        conditions=[condition],
        ages=[what["age_group"]],
        seeds=[what["seed"]],
        truncation=what["truncation"],
        noise=what["noise"],
        precision=what["precision"],
        model=origin.model,
        wait_s=30,
    ).wait()
    places = [int(row["index"]) for row in made.manifest() if row["step"] == what["step"]]
    return _Rendering(made, places[0] if places else 0)


def _list_changes(
    client: Client, origin: FaceOrigin, original: _Rendering
) -> Iterator[tuple[str, str | float, Callable[[], tuple[Pixels, str | None]]]]:
    """Yield each change, what it leads to, and a function that makes the picture, and its verdict if it is an edit."""
    for condition in client.conditions(origin.model)["conditions"]:
        if (name := str(condition["name"])) != origin.what["condition"]:
            yield "condition", name, partial(_fetch_condition, client, origin, name)
    for direction in client.directions(origin.model):
        if " of " not in (name := str(direction["name"])):
            for strength in (-SPREADS * direction["spread"], SPREADS * direction["spread"]):
                yield name, strength, partial(_fetch_edit, client, original, name, strength)


def _fetch_condition(client: Client, origin: FaceOrigin, condition: str) -> tuple[Pixels, None]:
    made = _render_condition(client, origin, condition)
    return made.image_set.item(made.place).array(), None


def _fetch_edit(client: Client, original: _Rendering, direction: str, strength: float) -> tuple[Pixels, str]:
    edit = client.edit_image(original.image_set, original.place, direction=direction, strength=strength, wait_s=30)
    edit = edit.wait()
    return read_image(edit.image()), str((edit.result or {})["verdict"])


def _is_failure(error: ServiceError | JobError) -> bool:
    """Tell a failure of the service, after which the face should be tried again, from a change that it refuses."""
    return isinstance(error, ServiceError) and (error.status is None or error.status >= 500)


def _classify_change(
    classifiers: Sequence[Classifier],
    before: np.ndarray,
    target: str,
    change: str,
    to: str | float,
    image: Pixels,
    verdict: str | None,
) -> Counterfactual:
    classes = classifiers[0].classes
    followed = find_class(classes, target)
    logits = compute_logits_of_face(classifiers, image)
    probabilities = average_probabilities(logits)
    return Counterfactual(
        change,
        to,
        image,
        classes[int(probabilities.argmax())],
        float(probabilities[followed]),
        float(probabilities[followed] - average_probabilities(before)[followed]),
        float((logits - before)[:, followed].mean()),
        verdict,
    )
