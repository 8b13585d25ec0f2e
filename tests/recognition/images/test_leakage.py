"""What was seen in training, and refusing to measure on it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from api.app import create_app
from api.settings import Settings
from core.errors import DatasetError
from core.seen_images import SeenImages
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.records import Record
from faces.images import Pixels
from gestaltgen_client import Client
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Sample, load_real_samples
from tests.api.fake import FakeModel, served
from tests.api.serving import serving


@dataclass(frozen=True)
class Faces:
    """Samples without pixels."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...] = ("WS", "unaffected")

    def __len__(self) -> int:
        return len(self.samples)

    def image(self, index: int) -> Pixels:
        raise NotImplementedError

    def subset(self, indices: Iterable[int]) -> Faces:
        return replace(self, samples=tuple(self.samples[index] for index in indices))


def faces(*numbers: int) -> Faces:
    label = (1.0, 0.0)
    return Faces(tuple(Sample(f"{n:064x}"[::-1], label, "WS", None, str(n), synthetic=False) for n in numbers))


def test_what_was_not_seen_is_not_refused() -> None:
    TrainingRecord.from_samples(faces(1, 2, 3), "fold 0").refuse(faces(4, 5))


def test_what_was_seen_is_refused_with_number_name_and_remedy() -> None:
    seen = TrainingRecord.from_samples(faces(1, 2, 3), "classifier fold 0").union(
        TrainingRecord.from_samples(faces(3, 9), "generator portraits"),
        TrainingRecord.from_samples(faces(7), "classifier fold 1"),
    )
    test = faces(8, 3, 4, 9, 2)
    with pytest.raises(
        DatasetError,
        match=r"3 of 5 test images were seen in training: 2 by classifier fold 0; 2 by generator portraits \(the first "
        r"is number 1, key 3000000000000000\).*leave them out of the test set, or train without them",
    ):
        seen.refuse(test)
    assert seen.indices_in(test) == [1, 3, 4]
    seen.refuse(test.subset([0, 2]))


def test_a_union_keeps_who_saw_what_and_names_each_once() -> None:
    first, second = TrainingRecord.from_samples(faces(1), "a"), TrainingRecord("b", frozenset(), complete=False)
    both = first.union(second)
    assert both.union(first, both) == both
    assert (both.name, both.complete, both.unknown) == ("a and b", False, ("b",))
    assert (first.union(), first.complete, first.unknown) == (first, True, ())
    assert both.keys == first.keys


def test_a_training_record_is_stored_and_read() -> None:
    both = TrainingRecord.from_samples(faces(1, 2), "a").union(
        TrainingRecord("b", frozenset({"f" * 16}), complete=False)
    )
    assert TrainingRecord.from_json(json.loads(json.dumps(both.to_json()))) == both
    for damaged in ([], [{"keys": "", "complete": True}], [{"name": "a", "keys": "?", "complete": True}]):
        with pytest.raises(DatasetError, match="again"):
            TrainingRecord.from_json(damaged)


def test_a_key_of_another_form_is_refused() -> None:
    with pytest.raises(DatasetError, match="expected its first 16 hex digits"):
        TrainingRecord("a", frozenset({"f" * 64}))


def test_a_generators_images_are_refused_through_the_service(tmp_path: Path) -> None:
    """From the pixels of a data set, through a generator that says it was trained on one of them, to the refusal."""
    with DatasetWriter(tmp_path / "real.zip") as writer:
        for n in range(3):
            record = Record(condition="WS", age_group="child", person=f"p{n}")
            writer.add(np.full((8, 8, 3), 40 * n, np.uint8), record)
    with Dataset.open(tmp_path / "real.zip") as data:
        trained = SeenImages.of([data.key(1)])
    model = FakeModel(seen=trained.keys)
    app = create_app(Settings(state=tmp_path / "state", without_keys=True), load=served(model))
    with serving(app) as url, Client(url) as client:
        seen = TrainingRecord.of_model(client, "fake")
        unknown = TrainingRecord.of_model(client, "absent")
    assert (seen.name, seen.keys, seen.complete) == ("generator fake", trained.keys, True)
    with pytest.raises(DatasetError, match=r"1 of 3 test images were seen in training: 1 by generator fake"):
        seen.refuse(load_real_samples(tmp_path / "real.zip"))
    assert (unknown.keys, unknown.unknown) == (frozenset(), ("generator absent",))
