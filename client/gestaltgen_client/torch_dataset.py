"""PyTorch data set that streams an image set from the service. Needs the extra `torch`.

`gestaltgen_client` works without PyTorch: it does not import this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed
from torch.utils.data import IterableDataset, get_worker_info

from gestaltgen_client.client import Client
from gestaltgen_client.image_sets import ImageSet, Item

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class ImageSetDataset(IterableDataset[dict[str, Any]]):
    """Data set that streams one image set, shard by shard, without storing it.

    Each sample is a dict: `image`, float32 (3, h, w) in [-1, 1]; `soft_label`, float32 (conditions,), which sums to 1;
    `class_index` and `index`, int; `person`, `condition` and `age_group`, str. Every image is verified against the
    manifest. The workers of a `DataLoader`, and the ranks of a distributed training, read different shards, so more
    of them than the set has shards are of no use.

    To resume inside an epoch, mark the samples that training has used, and store `state_dict` in the checkpoint::

        dataset = ImageSetDataset(url, image_set.id)
        dataset.load_state_dict(checkpoint["data"])  # when resuming
        for epoch in range(dataset.epoch, epochs):
            dataset.set_epoch(epoch)
            for batch in DataLoader(dataset, batch_size=32, num_workers=4):
                ...
                dataset.mark_used(batch["index"])

    This works with any number of workers, also with another one than before. Do not set `persistent_workers`: such
    workers keep the first epoch's copy of the data set.

    Args:
        url: base URL of the service.
        set_id: id of the image set. Iterating waits until the set is done.
        key: API key; None takes the environment variable GESTALTGEN_KEY.
        shuffle: shuffle the shards, and the images of each shard, differently in every epoch.
        seed: seed of the shuffling.
        transform: makes `image` from the pixels, uint8 (h, w, 3) RGB; None scales them to [-1, 1].
        rank: number of this process in a distributed training; None asks `torch.distributed`.
        world_size: number of processes; None asks `torch.distributed`.
    """

    def __init__(
        self,
        url: str,
        set_id: str,
        *,
        key: str | None = None,
        shuffle: bool = True,
        seed: int = 0,
        transform: Callable[[npt.NDArray[np.uint8]], Tensor] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        in_group = distributed.is_available() and distributed.is_initialized()
        self._rank = rank if rank is not None else distributed.get_rank() if in_group else 0
        self._world_size = world_size if world_size is not None else distributed.get_world_size() if in_group else 1
        if not 0 <= self._rank < self._world_size:
            raise ValueError(f"rank {self._rank} of {self._world_size} processes; expected 0 to {self._world_size - 1}")
        self._url, self._set_id, self._key = url, set_id, key
        self._shuffle, self._seed = shuffle, seed
        self._transform = transform or scale_pixels
        self._epoch = 0
        self._used: set[int] = set()

    @property
    def epoch(self) -> int:
        """Number of the current epoch, from 0."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch. If it is the current epoch, the samples that were marked as used stay left out."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._used.clear()

    def mark_used(self, indices: Tensor | Iterable[int]) -> None:
        """Leave out the samples with these indices when the current epoch is read again."""
        self._used.update(int(index) for index in indices)

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the epoch: numbers, strings and lists of numbers."""
        return {"set_id": self._set_id, "seed": self._seed, "epoch": self._epoch, "used": sorted(self._used)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue at the position that `state_dict` returned.

        Raises:
            ValueError: the position is one in another image set, or of another seed.
        """
        for name, own in (("set_id", self._set_id), ("seed", self._seed)):
            if state[name] != own:
                raise ValueError(f"the state is that of {name} {state[name]!r}; this data set has {own!r}")
        self._epoch = int(state["epoch"])
        self._used = {int(index) for index in state["used"]}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read the samples of this worker's shards that are not marked as used.

        Raises:
            ChecksumError: an image is not the one that the manifest names.
            JobError: the job of the image set failed or was cancelled.
        """
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        with Client(self._url, key=self._key) as client:
            image_set = client.image_set(self._set_id).wait()
            shards = self._find_shards(image_set)[number::workers]
            for shard, items in zip(shards, image_set.iter_shards(shards), strict=True):
                for place in self._order(len(items), shard):
                    if items[place].index not in self._used:
                        yield self._decode(items[place])

    def _find_shards(self, image_set: ImageSet) -> list[int]:
        """Find the shards of this rank that have samples left, in the order of this epoch."""

        def has_samples(shard: int) -> bool:
            first = shard * image_set.shard_images
            return not self._used.issuperset(range(first, min(first + image_set.shard_images, image_set.total)))

        # Ranks divide the shards before used ones are left out: each rank knows only its own used samples.
        return [shard for shard in self._order(image_set.shards)[self._rank :: self._world_size] if has_samples(shard)]

    def _order(self, n: int, *salt: int) -> list[int]:
        """Order n things: as they are, or by a permutation that follows from seed, epoch and salt."""
        if not self._shuffle:
            return list(range(n))
        digest = hashlib.sha256(repr((self._seed, self._epoch, *salt)).encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        return [int(place) for place in torch.randperm(n, generator=generator)]

    def _decode(self, item: Item) -> dict[str, Any]:
        """Make the sample of an image."""
        return {
            "image": self._transform(item.array()),
            "soft_label": torch.tensor(item.soft_label, dtype=torch.float32),
            "class_index": item.class_index,
            "index": item.index,
            "person": str(item.row["person"]),
            "condition": str(item.row["condition"]),
            "age_group": str(item.row["age_group"]),
        }


def scale_pixels(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """Scale pixels, uint8 (h, w, 3), to float32 (3, h, w) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1).to(torch.float32) / 127.5 - 1
