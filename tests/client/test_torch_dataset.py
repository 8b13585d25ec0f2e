"""The PyTorch data set over image sets of the running service, whose shards are made small."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from api import representations
from api.image_sets import derived_files
from gestaltgen_client import ImageSet
from gestaltgen_client import torch_dataset as module
from gestaltgen_client.torch_dataset import ImageSetDataset
from tests.api.conftest import Running

TOTAL = 40


@pytest.fixture(scope="module")
def image_set(running: Running) -> Iterator[ImageSet]:
    """A set of five shards with eight images each."""
    with pytest.MonkeyPatch.context() as patch:
        for served in (derived_files, representations):
            patch.setattr(served, "SHARD_IMAGES", 8)
        made = running.client.create(kind="age_progression", conditions=["WS"], count=8, seed=21).wait(timeout_s=60)
        assert (made.total, made.shards) == (TOTAL, 5)
        yield made


@pytest.fixture
def dataset(running: Running, image_set: ImageSet) -> ImageSetDataset:
    return ImageSetDataset(running.url, image_set.id)


def read_indices(dataset: ImageSetDataset) -> list[int]:
    return [sample["index"] for sample in dataset]


def test_samples_have_pixels_and_decoded_labels(dataset: ImageSetDataset, image_set: ImageSet) -> None:
    samples = {sample["index"]: sample for sample in dataset}
    assert sorted(samples) == list(range(TOTAL))
    for item in image_set:
        sample = samples[item.index]
        assert sample["image"].shape == (3, 8, 8)
        pixels = torch.round((sample["image"] + 1) * 127.5).permute(1, 2, 0)
        assert pixels.tolist() == item.array().tolist()
        assert sample["soft_label"].tolist() == list(item.soft_label)
        assert {name: sample[name] for name in ("person", "condition", "age_group")} == {
            name: item.labels[name] for name in ("person", "condition", "age_group")
        }
        assert sample["class_index"] == item.class_index


def test_epochs_are_shuffled_and_repeatable(dataset: ImageSetDataset, running: Running, image_set: ImageSet) -> None:
    first = read_indices(dataset)
    assert first == read_indices(dataset) == read_indices(ImageSetDataset(running.url, image_set.id))
    dataset.set_epoch(1)
    assert first != read_indices(dataset)
    assert read_indices(ImageSetDataset(running.url, image_set.id, seed=1)) != first
    assert read_indices(ImageSetDataset(running.url, image_set.id, shuffle=False)) == list(range(TOTAL))


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_workers_and_ranks_share_the_images(
    running: Running, image_set: ImageSet, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    read: list[int] = []
    for rank in range(2):
        dataset = ImageSetDataset(running.url, image_set.id, rank=rank, world_size=2)
        for worker in range(workers):
            info = SimpleNamespace(id=worker, num_workers=workers)
            monkeypatch.setattr(module, "get_worker_info", lambda info=info: info)
            read += read_indices(dataset)
    assert sorted(read) == list(range(TOTAL))


def test_an_interrupted_epoch_is_continued(running: Running, image_set: ImageSet) -> None:
    def make() -> ImageSetDataset:
        return ImageSetDataset(running.url, image_set.id, transform=torch.from_numpy)

    begun = make()
    begun.set_epoch(3)
    batches: Iterator[Any] = iter(DataLoader(begun, batch_size=3))
    seen = []
    for _ in range(4):
        batch = next(batches)
        begun.mark_used(batch["index"])
        seen += batch["index"].tolist()
    state = begun.state_dict()
    resumed = make()
    resumed.load_state_dict(state)
    assert resumed.epoch == 3
    resumed.set_epoch(3)
    rest = read_indices(resumed)
    assert sorted(seen + rest) == list(range(TOTAL))
    resumed.set_epoch(4)
    assert sorted(read_indices(resumed)) == list(range(TOTAL))


def test_shards_that_are_used_are_not_fetched_again(
    dataset: ImageSetDataset, image_set: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []
    iter_shards = ImageSet.iter_shards

    def note(self: ImageSet, numbers: list[int]) -> Any:
        fetched.extend(numbers)
        return iter_shards(self, numbers)

    monkeypatch.setattr(ImageSet, "iter_shards", note)
    dataset.mark_used(range(8, 24))
    assert sorted(read_indices(dataset)) == [*range(8), *range(24, TOTAL)]
    assert sorted(fetched) == [0, 3, 4]


def test_a_state_of_another_set_is_refused(running: Running, dataset: ImageSetDataset) -> None:
    for other in (ImageSetDataset(running.url, "another"), ImageSetDataset(running.url, "another", seed=1)):
        with pytest.raises(ValueError, match="another"):
            dataset.load_state_dict(other.state_dict())
    with pytest.raises(ValueError, match="rank 2 of 2"):
        ImageSetDataset(running.url, "another", rank=2, world_size=2)


@pytest.mark.slow
def test_processes_of_a_loader_read_different_shards(dataset: ImageSetDataset) -> None:
    loader = DataLoader(dataset, batch_size=5, num_workers=2, multiprocessing_context="spawn")
    read = [index for batch in loader for index in batch["index"].tolist()]
    assert sorted(read) == list(range(TOTAL))
