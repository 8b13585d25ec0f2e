"""Squares of noise whose tint is their class: what a network learns in an epoch or two."""

from __future__ import annotations

import numpy as np
import torch

from faces.images import Pixels, pixels_key
from recognition.config import ClassifierTrainingConfig
from recognition.images.image_stack import Stack
from recognition.images.samples import Sample

CLASSES = ("WS", "22q11DS", "other", "unaffected")
AGES = ("infant", "child", "older_adult")

TINTS = ((60, 0, 0), (0, 60, 0), (0, 0, 60), (0, 0, 0))

QUICK = ClassifierTrainingConfig(
    size=32, epochs=3, batch=8, learning_rate=2e-3, warmup_epochs=1, patience=None, dropout=0.1, precision="float32"
)


def squares(
    count: int,
    *,
    seed: int = 0,
    size: int = 32,
    classes: tuple[str, ...] = CLASSES,
    images_per_person: int = 1,
    synthetic: bool = False,
    blend: float | None = None,
) -> Stack:
    """`count` squares, whose classes take turns person by person; blended ones mix theirs with the next."""
    rng = np.random.default_rng(seed)
    pixels, samples = [], []
    for index in range(count):
        person = index // images_per_person
        place = person % len(classes)
        label = np.eye(len(classes))[place]
        if blend is not None:
            label = blend * label + (1 - blend) * np.roll(label, 1)
        image: Pixels = (rng.integers(0, 120, (size, size, 3)) + label @ np.array(TINTS[: len(classes)])).astype(
            np.uint8
        )
        pixels.append(image)
        samples.append(
            Sample(
                pixels_key(image),
                tuple(label.tolist()),
                classes[place] if blend is None else None,
                AGES[(person // len(classes) + index) % len(AGES)],
                f"{'set' if synthetic else 'person'}-{seed}/{person}",
                synthetic,
            )
        )
    labels = torch.tensor([sample.label for sample in samples])
    return Stack(classes, tuple(samples), torch.from_numpy(np.stack(pixels)), labels)
