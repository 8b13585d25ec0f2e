"""Faces of a data set as samples, and in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from faces.datasets.dataset import DatasetWriter
from faces.datasets.records import Record
from faces.images import pixels_key
from recognition.images.image_stack import join_stacks, stack_images
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import load_real_samples
from tests.recognition.coloured import squares


def written(path: Path, *records: Record) -> Path:
    with DatasetWriter(path) as writer:
        for index, record in enumerate(records):
            writer.add(np.full((16, 16, 3), 10 * index, dtype=np.uint8), record)
    return path


WS = Record(condition="WS", age_years=1.0, age_group="infant", person="a")


def test_what_is_known_of_each_face(tmp_path: Path) -> None:
    path = written(tmp_path / "set.zip", WS, Record(condition="unaffected", person="b"))
    samples = load_real_samples(path)
    first, second = samples.samples
    assert (first.condition, first.age_group, first.person, first.synthetic) == ("WS", "infant", "a", False)
    assert first.label == (1, 0, 0, 0)
    assert (second.label, second.age_group) == ((0, 0, 0, 1), None)
    assert first.key == pixels_key(samples.image(0))
    assert samples.subset([1]).samples == (second,)
    assert (samples.subset([1]).image(0) == 10).all()


def test_classes_may_be_in_another_order(tmp_path: Path) -> None:
    path = written(tmp_path / "set.zip", WS)
    assert load_real_samples(path, ("unaffected", "WS")).samples[0].label == (0, 1)
    with pytest.raises(DatasetError, match="condition 'WS'; expected one of unaffected, other"):
        load_real_samples(path, ("unaffected", "other"))


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (Record(condition="WS"), "has no person.*fill both columns"),
        (Record(person="b"), "has no condition"),
        (Record(condition="other", person="a"), "person 'a' has the conditions 'WS' and 'other'"),
    ],
)
def test_a_table_that_folds_cannot_be_made_of(tmp_path: Path, record: Record, told: str) -> None:
    with pytest.raises(DatasetError, match=told):
        load_real_samples(written(tmp_path / "set.zip", WS, record))


def test_a_stack_resizes_once_and_keeps_the_keys(tmp_path: Path) -> None:
    samples = load_real_samples(written(tmp_path / "set.zip", WS, Record(condition="other", person="b")))
    stack = stack_images(samples, 8)
    assert stack.pixels.shape == (2, 8, 8, 3)
    assert (stack.image(1) == 10).all()
    assert [sample.key for sample in stack.samples] == [sample.key for sample in samples.samples]
    assert stack_images(stack, 8) is stack
    assert stack_images(samples, 20).size == 20
    assert stack.subset([1]).labels.tolist() == [[0, 0, 1, 0]]
    assert stack.digest() != stack.subset([1, 0]).digest()
    with pytest.raises(ConfigError, match="size is 7"):
        stack_images(samples, 7)


def test_area_means() -> None:
    half = stack_images(squares(1, size=32), 16).pixels[0].float()
    whole = squares(1, size=32).pixels[0].float()
    assert (half - whole.reshape(16, 2, 16, 2, 3).mean(dim=(1, 3))).abs().max() <= 0.5


def test_stacks_are_joined_with_what_their_generators_saw() -> None:
    class Pulled:
        classes, samples = squares(4).classes, squares(4).samples
        seen = TrainingRecord("generator x", frozenset({"0" * 16}))
        image = staticmethod(squares(4).image)

        def __len__(self) -> int:
            return 4

    both = join_stacks([squares(4, seed=1), stack_images(Pulled(), 32)])  # type: ignore[arg-type]
    assert len(both) == 8
    assert both.subset([0]).seen == Pulled.seen
    with pytest.raises(DatasetError, match="expected the same ones in the same order"):
        join_stacks([squares(4), squares(4, classes=("a", "b"))])


def test_reading_reports_each_image(tmp_path: Path) -> None:
    reported: list[int] = []
    load_real_samples(written(tmp_path / "set.zip", WS, WS, WS), on_image=reported.append)
    assert reported == [1, 2, 3]
