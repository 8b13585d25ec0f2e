"""Faces in memory at the input size of a network, decoded and resized once for all epochs and runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import ConfigError, DatasetError
from faces.images import Pixels
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Sample, Samples


@dataclass(frozen=True)
class Stack:
    """Array of n faces of one size. It implements `Samples`; its keys are those of the faces before they were resized.

    Attributes:
        classes: names of the classes.
        samples: what is known of each face.
        pixels: (n, size, size, 3) uint8 on the CPU.
        labels: (n, classes) float32.
        seen: what the generators of synthetic faces were trained on, as far as it is told.
    """

    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    pixels: Tensor
    labels: Tensor
    seen: TrainingRecord | None = None

    @property
    def size(self) -> int:
        return self.pixels.shape[1]

    def __len__(self) -> int:
        return len(self.samples)

    def image(self, index: int) -> Pixels:
        pixels: Pixels = self.pixels[index].numpy()
        return pixels

    def subset(self, indices: Iterable[int]) -> Stack:
        places = [int(index) for index in indices]
        chosen = torch.tensor(places, dtype=torch.int64)
        samples = tuple(self.samples[place] for place in places)
        return Stack(self.classes, samples, self.pixels[chosen], self.labels[chosen], self.seen)

    def digest(self) -> str:
        """Compute the SHA-256 in hex of keys, labels and persons in their order: equal for the same material."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for sample in self.samples:
            digest.update(f"{sample.key} {sample.label} {sample.person}\n".encode())
        return digest.hexdigest()


def stack_images(samples: Samples, size: int) -> Stack:
    """Resize faces to one size, by area averaging or linear interpolation; a Stack of that size is returned unchanged.

    Args:
        size: side in pixels; pictures that are no squares are squeezed into one.

    Raises:
        DatasetError: no faces, or labels that are no shares of the classes.
        ConfigError: a size below 8 pixels.
    """
    if isinstance(samples, Stack) and samples.size == size:
        return samples
    if size < 8:
        raise ConfigError(f"size is {size} pixels; expected 8 or more")
    if len(samples) == 0:
        raise DatasetError("there are no faces among these samples; expected one or more")
    labels = np.array([_check_label(sample, samples.classes) for sample in samples.samples], dtype=np.float32)
    pixels = np.empty((len(samples), size, size, 3), dtype=np.uint8)
    for index in range(len(samples)):
        pixels[index] = resize_face(samples.image(index), size)
    return Stack(
        samples.classes, samples.samples, torch.from_numpy(pixels), torch.from_numpy(labels), _generator_record(samples)
    )


def join_stacks(stacks: Sequence[Stack]) -> Stack:
    """Concatenate stacks.

    Raises:
        DatasetError: they are of different classes.
    """
    first = stacks[0]
    if len(stacks) == 1:
        return first
    for other in stacks[1:]:
        if other.classes != first.classes:
            raise DatasetError(
                f"faces are labelled with the classes {', '.join(first.classes)} and {', '.join(other.classes)}; "
                "expected the same ones in the same order: read both with the same classes"
            )
    return Stack(
        first.classes,
        tuple(sample for stack in stacks for sample in stack.samples),
        torch.cat([stack.pixels for stack in stacks]),
        torch.cat([stack.labels for stack in stacks]),
        records[0].union(*records[1:])
        if (records := [stack.seen for stack in stacks if stack.seen is not None])
        else None,
    )


def to_network_input(pixels: Tensor) -> Tensor:
    """Convert (n, size, size, 3) uint8 to (n, 3, size, size) float32 in [-1, 1], channels last in memory."""
    return pixels.float().div_(127.5).sub_(1).permute(0, 3, 1, 2)


def resize_network_input(images: Tensor, size: int) -> Tensor:
    """Resize square images (n, 3, h, h) to (n, 3, size, size), as `resize_face` does but without rounding, with a
    gradient in the pixels."""
    side = images.shape[2]
    if side == size:
        return images
    if side < size:
        return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    shares = _area_shares(side, size).to(images)
    return shares @ images @ shares.T


def _area_shares(side: int, size: int) -> Tensor:
    """Compute the share of each of `side` pixels in the mean that is each of `size` larger pixels, (size, side)."""
    edges = torch.arange(size + 1, dtype=torch.float64) * (side / size)
    pixels = torch.arange(side, dtype=torch.float64)
    covered = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return covered.clamp_min(0) * (size / side)


def _generator_record(samples: Samples) -> TrainingRecord | None:
    """Return the record of a pulled set about the training of its generator; None for other samples."""
    record = getattr(samples, "seen", None)
    return record if isinstance(record, TrainingRecord) else None


def _check_label(sample: Sample, classes: tuple[str, ...]) -> tuple[float, ...]:
    """Return the label of a sample if it is a share of each class."""
    label = sample.label
    if len(label) != len(classes) or min(label) < 0 or abs(sum(label) - 1) > 1e-4:
        raise DatasetError(
            f"image {sample.key[:16]} has the label {label}; expected {len(classes)} shares that sum to 1, of "
            f"{', '.join(classes)}"
        )
    return label


def resize_face(image: Pixels, size: int) -> Pixels:
    """Resize a face (h, w, 3) uint8 to a square, as `stack_images` does."""
    height, width = image.shape[:2]
    if (height, width) == (size, size):
        return image
    # The mean of the pixels that a new one covers neither aliases nor rings; it means nothing where it covers none.
    how = cv2.INTER_AREA if min(height, width) >= size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=how), dtype=np.uint8)
