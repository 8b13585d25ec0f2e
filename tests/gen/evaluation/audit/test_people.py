from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from core.seen_images import SeenImages
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.records import Record
from gen.evaluation.audit.people import AuditedPeople, choose_people, count_needed
from gen.labels import Vocabulary
from gen.training.data import Exclusion

VOCABULARY = Vocabulary(("unaffected",))


def write(path: Path, seed: int, persons: list[str | None], side: int = 8) -> Dataset:
    rng = np.random.default_rng(seed)
    with DatasetWriter(path, conditions=("unaffected",)) as writer:
        for person in persons:
            writer.add(rng.integers(0, 256, (side, side, 3), dtype=np.uint8), Record(person=person))
    return Dataset.open(path)


def choose(data: Dataset, others: Dataset, seen: SeenImages | None = None, rate: float = 0.5) -> AuditedPeople:
    keys = (data.key(index) for index in range(len(data)))
    return choose_people(data, others, seen or SeenImages.of(keys), VOCABULARY, count=100, false_positives=rate, seed=0)


def test_everybody_counts_once_and_what_the_checkpoint_does_not_list_is_left_out(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 0, ["a", "a", "b", None, None, "c"])
    others = write(tmp_path / "others", 1, [None] * 25)
    listed = [data.key(index) for index in range(5)] + ["0" * 64]
    people = choose(data, others, SeenImages.of(listed))
    assert people.trained.places.tolist() == [0, 1, 2, 3, 4]
    assert people.persons[:3] == ("a", "a", "b")
    assert len(people.members) == 4
    assert people.members.places.tolist()[1:] == [2, 3, 4]
    assert (len(people.unseen), people.not_listed) == (25, 1)
    assert people.covered == pytest.approx(5 / 6)
    assert np.array_equal(choose(data, others, SeenImages.of(listed)).members.places, people.members.places)


def test_pictures_that_the_training_left_out_are_neither_members_nor_missed(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 0, ["a", "b", "c", "d"])
    keys = SeenImages.of(data.key(index) for index in range(2))  # the checkpoint lists half of the pictures
    others, left_out = write(tmp_path / "others", 1, [None] * 25), Exclusion(frozenset({"c", "d"}), "drop.txt")
    people = choose_people(data, others, keys, VOCABULARY, count=100, false_positives=0.5, seed=0, exclusion=left_out)
    assert (people.persons, people.not_listed, people.covered) == (("a", "b"), 0, 1)
    with pytest.raises(ConfigError, match="covers 0"):
        choose_people(
            data, others, keys, VOCABULARY, count=100, false_positives=0.5, seed=0, exclusion=Exclusion(frozenset("x"))
        )


def test_what_allows_no_audit_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 0, ["a", "b"] + [None] * 20)
    others = write(tmp_path / "others", 1, [None] * 30)
    foreign = SeenImages.of(others.key(index) for index in range(30))
    with pytest.raises(DatasetError):  # training data of another checkpoint
        choose(data, write(tmp_path / "more", 2, [None] * 30), foreign)
    with pytest.raises(DatasetError):  # unseen people who are in the training data, by picture and by name
        choose(data, data)
    with pytest.raises(DatasetError):
        choose(data, write(tmp_path / "named", 3, ["a"] + [None] * 30))
    with pytest.raises(DatasetError):  # seen by the checkpoint in earlier training
        choose(data, others, SeenImages.of(data.key(index) for index in range(len(data))) | foreign)
    with pytest.raises(DatasetError):  # too few people for the rate
        choose(data, others, rate=0.01)
    with pytest.raises(DatasetError):  # sharper pictures
        choose(data, write(tmp_path / "large", 4, [None] * 30, side=16))
    with pytest.raises(ConfigError):  # a checkpoint that lists nothing
        choose(data, others, SeenImages(complete=False))


@pytest.mark.parametrize(("rate", "needed"), [(0.001, 10_000), (0.01, 1_000), (0.3, 34)])
def test_a_rate_needs_ten_false_positives(rate: float, needed: int) -> None:
    assert count_needed(rate) == needed
