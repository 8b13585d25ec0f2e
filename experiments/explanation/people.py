"""Persons of the experiment, and the two confounders that are planted into the training faces of one condition."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import torch

from core.atomic_files import write_file
from core.errors import ConfigError
from faces.conditions.catalogue import Condition, load_catalogue
from faces.images import Pixels, pixels_key
from faces.labels import UNAFFECTED
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import Phantom
from faces.phantoms.phantom_dataset import nth_described_phantom
from recognition.images.image_stack import Stack
from recognition.images.samples import Sample

Confounder: TypeAlias = Literal["none", "mark", "smile"]

AFFECTED: Final = ("WS", "22q11DS", "Angelman", "Kabuki", "Noonan", "CdLS")
CLASSES: Final = (*AFFECTED, UNAFFECTED)

CONFOUNDED: Final = "Noonan"
"""Condition whose training faces nearly all carry the confounder."""

WITH, WITHOUT = 0.95, 0.05
"""Share of the confounded condition's training faces, and of all others, that carry the confounder."""

TRAIN_SEED: Final = 2701
TEST_SEED: Final = 2702

_PLANT_STREAM: Final = 7
_MARK_COLOUR: Final = (200, 30, 30)


@dataclass(frozen=True)
class Scale:
    """Size of the experiment.

    Attributes:
        size: side of all pictures in pixels.
        persons: training persons of each class.
        test_persons: measured persons of each condition.
        epochs: epochs of every classifier.
    """

    size: int = 64
    persons: int = 120
    test_persons: int = 50
    epochs: int = 6


FULL: Final = Scale()
REDUCED: Final = Scale(size=32, persons=80, epochs=8)
"""Scale that takes about ten minutes on one core."""

QUICK: Final = Scale(size=32, persons=10, test_persons=5, epochs=1)


def keep_scale(out: Path, scale: Scale) -> None:
    """Keep the scale in the folder of an experiment.

    Raises:
        ConfigError: the folder holds an experiment of another scale.
    """
    path, text = out / "scale.json", json.dumps(asdict(scale))
    if path.exists() and path.read_text("utf-8") != text:
        raise ConfigError(f"{out} holds an experiment of {path.read_text('utf-8')}; give another --out or --scale")
    write_file(path, text.encode())


def load_conditions(names: Sequence[str]) -> list[Condition]:
    """Load conditions of the catalogue with their HPO terms."""
    catalogue = load_catalogue()
    return [catalogue.get(name) or Condition(name, name) for name in names]


def draw_training_stack(scale: Scale, confounder: Confounder) -> Stack:
    """Draw the training faces, with a confounder planted; the persons are the same for every confounder."""
    conditions = load_conditions(CLASSES)
    rng = np.random.default_rng([TRAIN_SEED, _PLANT_STREAM])
    pixels, samples = [], []
    for index in range(scale.persons * len(CLASSES)):
        of = nth_described_phantom(TRAIN_SEED, index, conditions, ())
        planted = rng.uniform() < (WITH if of.condition == CONFOUNDED else WITHOUT)
        pixels.append(draw_with(of, confounder, planted, scale.size))
        label = tuple(float(name == of.condition) for name in CLASSES)
        samples.append(Sample(pixels_key(pixels[-1]), label, of.condition, None, f"phantom-{of.identity:x}", False))
    labels = torch.tensor([sample.label for sample in samples])
    return Stack(CLASSES, tuple(samples), torch.from_numpy(np.stack(pixels)), labels)


def draw_with(of: Phantom, confounder: Confounder, planted: bool, size: int) -> Pixels:
    """Draw a person with or without the confounder: a smile or none, or a mark in the corner or none."""
    image = _draw_plain(set_smile(of, planted) if confounder == "smile" else of, size)
    return add_mark(image) if confounder == "mark" and planted else image


@cache  # the faces without a confounder and those with marks are the same
def _draw_plain(of: Phantom, size: int) -> Pixels:
    return draw_phantom(of, size).image


def set_smile(of: Phantom, smiling: bool) -> Phantom:
    """Let a person smile broadly, or not at all."""
    return replace(of, smile=0.9 if smiling else 0.1)


def add_mark(image: Pixels) -> Pixels:
    """Return a picture with a red square in the upper left corner."""
    marked, side = image.copy(), len(image) // 9
    marked[1 : 1 + side, 1 : 1 + side] = _MARK_COLOUR
    return marked


def draw_test_persons(count: int) -> list[Phantom]:
    """Make `count` persons of each affected condition, who are in no training set; conditions take turns."""
    conditions = load_conditions(AFFECTED)
    return [nth_described_phantom(TEST_SEED, index, conditions, ()) for index in range(count * len(AFFECTED))]
