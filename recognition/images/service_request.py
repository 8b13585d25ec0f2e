"""Request to a service for an image set to train on, and the check that a set is the one that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.errors import ConfigError
from faces.image_set_request import TRAINING_KINDS, ImageSetRequest
from recognition.images.set_cache import SetCache, SetIdentity, SetNote

_EXPECTED: Final = ("weights_sha256", "set_id")


@dataclass(frozen=True)
class ServiceSetRequest(ImageSetRequest):
    """Request to a service for an image set to train on: fields of the set, its generator, and checks of the answer.

    None takes the service's default, which for the count is that of the paper.

    Args:
        model: name of the generator; None takes the service's first.
        weights_sha256: checksum that the generator's file must have; None accepts any.
        set_id: identifier that the set must have; None accepts any.

    Raises:
        ConfigError: a kind that classifiers are not trained on.
    """

    model: str | None = None
    weights_sha256: str | None = None
    set_id: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in TRAINING_KINDS:
            raise ConfigError(f"kind is {self.kind!r}; expected one of {', '.join(TRAINING_KINDS)}")

    def to_json(self) -> dict[str, Any]:
        """Return the fields to post, as JSON can hold them; fields left to the service are missing."""
        return {name: value for name, value in super().to_json().items() if name not in _EXPECTED}


def read_recorded_request(cache: Path) -> ServiceSetRequest:
    """Return the request for the set of a pull, with its model, weights, precision and identifier.

    The request gives the same set again, or is refused.

    Args:
        cache: folder of the pull.

    Raises:
        ConfigError: the folder is not that of a pull, or the service had not answered yet.
    """
    note = SetCache(cache).read_note()
    if note is None or note.identity is None:
        raise ConfigError(f"{cache} does not say which set it holds; expected the folder of a pull that has begun")
    identity = note.identity
    values = dict(note.asked) | {
        "model": identity.model,
        "weights_sha256": identity.weights_sha256,
        "set_id": identity.set_id,
        "precision": identity.request.get("precision", note.asked.get("precision")),
    }
    return ServiceSetRequest.from_json(values)


def check_same_request(note: SetNote, request: ServiceSetRequest, cache: Path) -> None:
    """Check that a folder's pull is that of a request; a default that is written out is no difference.

    Raises:
        ConfigError: it is that of another one.
    """
    defaults: Mapping[str, Any] = {}
    if note.identity is not None:
        defaults = {**note.identity.request, "model": note.identity.model}
    stored, wanted = dict(note.asked), request.to_json()
    different = [
        f"{name} is {stored.get(name, defaults.get(name))!r} there and {wanted.get(name)!r} here"
        for name in sorted(stored.keys() | wanted.keys())
        if stored.get(name) != wanted.get(name)
        and (name not in defaults or stored.get(name, defaults[name]) != wanted.get(name, defaults[name]))
    ]
    if different:
        raise ConfigError(
            f"{cache} holds the image set of another request: {'; '.join(different)}. Use the same request to "
            "continue, or pull into another folder"
        )


def check_identity(identity: SetIdentity, request: ServiceSetRequest, who: str) -> None:
    """Check that a set is the one that the request expects.

    Args:
        who: begin of the message, such as "the service would make".

    Raises:
        ConfigError: model, weights or identifier differ.
    """
    for name, expected in (("model", request.model), *((n, getattr(request, n)) for n in _EXPECTED)):
        found = getattr(identity, name)
        if expected not in (None, found):
            raise ConfigError(
                f"{who} the set {identity.set_id} of the model {identity.model} with the weights "
                f"{identity.weights_sha256[:16]}, whose {name} is {found!r}; expected {expected!r}: serve that model, "
                "or leave the expectation out"
            )
