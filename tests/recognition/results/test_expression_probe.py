"""A classifier that goes by the brightness, and a service whose smile makes faces brighter: what is found is known."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from core.errors import DatasetError
from faces.images import encode_png, pixels_key, read_image
from gestaltgen_client import Client, JobError, ServiceError
from recognition.ensemble import Ensemble
from recognition.images.image_stack import stack_images
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Samples
from recognition.predictions import Predictions
from recognition.results.expression_probe import CHANGES, SMILES, ProbeResult, probe_expression, take_first_of_each
from tests.recognition.coloured import squares

FACES = squares(12)


class Brightness:
    """Takes bright pictures for WS, more or less, and dark ones for all else alike."""

    def __init__(self, by: float = 1.0) -> None:
        self.by = by

    def combined_record(self) -> TrainingRecord:
        return TrainingRecord("the classifier", frozenset())

    def predict(self, samples: Samples) -> Predictions:
        stack = stack_images(samples, 32)
        bright = stack.pixels.double().mean(dim=(1, 2, 3)).numpy() / 255 * self.by
        rest = (1 - bright) / 3
        return Predictions(
            classes=stack.classes,
            keys=tuple(sample.key for sample in stack.samples),
            persons=tuple(sample.person for sample in stack.samples),
            truths=stack.labels.argmax(dim=1).numpy(),
            age_groups=tuple(sample.age_group for sample in stack.samples),
            probabilities=np.stack([bright, rest, rest, rest], axis=1),
            undecided=np.zeros(len(stack), dtype=bool),
        )


class Edits:
    def __init__(self, pixels: Any, smile: float) -> None:
        self.pixels, self.smile = pixels, smile

    def wait(self) -> Edits:
        return self

    def before(self) -> bytes:
        return encode_png(self.pixels)

    def image(self) -> bytes:
        return encode_png(np.clip(self.pixels + 50.0 * (2 * self.smile - 1), 0, 255).astype(np.uint8))


class Photo:
    def __init__(self, service: Service, png: bytes) -> None:
        self.service, self.pixels = service, read_image(io.BytesIO(png).getvalue())

    def wait(self) -> Photo:
        if pixels_key(self.pixels) in self.service.unusable:
            raise JobError("there is no face")
        return self

    def edit(self, *, smile: float) -> Edits:
        return Edits(self.pixels, smile)

    def erase(self) -> None:
        self.service.kept -= 1


class Service:
    """As much of a client as a probe needs."""

    def __init__(self, *unusable: str, trained_on: frozenset[str] = frozenset(), fails_after: int = 1000) -> None:
        self.unusable, self.trained_on, self.left = set(unusable), trained_on, fails_after
        self.kept = self.sent = 0

    def models(self) -> list[dict[str, str]]:
        return [{"name": "bright"}]

    def training_images(self, model: str) -> dict[str, Any]:
        return {"keys": list(self.trained_on), "complete": True}

    def send_photo(self, png: bytes, **_: Any) -> Photo:
        if self.left == 0:
            raise ServiceError("gone")
        self.left -= 1
        self.sent += 1
        self.kept += 1
        return Photo(self, png)


def probed(service: Service, out: Path) -> ProbeResult:
    ensembles = {"half": cast(Ensemble, Brightness(0.5)), "full": cast(Ensemble, Brightness())}
    return probe_expression(ensembles, FACES, cast(Client, service), out)


def test_what_the_classifier_goes_by_is_found(tmp_path: Path) -> None:
    service = Service()
    found = probed(service, tmp_path)
    assert (found.faces, found.left_out, service.sent, service.kept) == (12, {}, 12, 0)
    by = {(effect.condition, effect.change): effect for effect in found.effects if effect.run == "full"}
    assert len(by) == 4 * len(CHANGES)
    # a smile of 0.8 adds 0.6 * 50 of 255 to the brightness, as no pixel is full; rest takes as much where none is 0
    assert by["WS", "to a smile"].difference.value == pytest.approx(30 / 255, abs=1e-3)
    assert by["WS", "to rest"].difference.value == pytest.approx(-0.108, abs=0.02)
    assert by["22q11DS", "to a smile"].difference.value == pytest.approx(-10 / 255, abs=1e-3)
    moved = by["WS", "rest to smile"].difference.value
    assert moved == pytest.approx(by["WS", "to a smile"].difference.value - by["WS", "to rest"].difference.value)
    assert all(effect.p >= 0.25 for effect in found.effects)  # three faces: eight sign patterns prove nothing
    for effect in found.effects:
        if effect.run == "half":
            assert (effect.less_control, effect.p_control) == (None, None)
            continue
        assert effect.less_control is not None
        assert effect.less_control.value == pytest.approx(effect.difference.value / 2)
        assert effect.p_control == effect.p
    told = json.loads((tmp_path / "probe.json").read_text())
    assert told["effects"][0]["run"] == "half"
    assert told["effects"][0]["difference"]["value"] == found.effects[0].difference.value
    assert read_image(tmp_path / "sheet.png").shape == (12 * 32, 4 * 32, 3)


def test_a_face_that_cannot_be_used_is_left_out_and_named(tmp_path: Path) -> None:
    key = FACES.samples[4].key
    found = probed(Service(key), tmp_path)
    assert (found.faces, dict(found.left_out)) == (11, {key: "there is no face"})
    with pytest.raises(DatasetError, match=r"could use none of 12 faces \(there is no face\); expected aligned faces"):
        probed(Service(*(sample.key for sample in FACES.samples)), tmp_path / "none")


def test_a_probe_goes_on_where_the_service_went_away(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="gone"):
        probed(Service(fails_after=7), tmp_path)
    again = Service()
    assert probed(again, tmp_path) == probed(Service(), tmp_path / "whole")
    assert again.sent == 12 - 7


def test_faces_that_the_editor_knows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="generator bright"):
        probed(Service(trained_on=frozenset({FACES.samples[0].key[:16]})), tmp_path)


def test_the_first_of_each_condition() -> None:
    chosen = take_first_of_each(FACES, 2)
    assert [sample.condition for sample in chosen.samples] == [name for name in FACES.classes for _ in range(2)]
    assert len(SMILES) == 2
