"""Does the label steer the shipped weights? A small network that reads condition and age group from pixels says so.

It is trained here, on phantoms of its own seeds, in a few minutes. Not a speed: run it by name,
`python -m benchmarks conditioning`. Figures with its own error on unseen phantoms beside them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import weights
from faces.dataset import Dataset
from faces.detect import FaceDetector
from faces.errors import NoFaceError
from faces.images import Pixels, to_tensor
from faces.synthesise import synthesise
from gen import checkpoint
from gen.imagesets import ImageSetRequest, expand
from gen.labels import Vocabulary
from gen.sampler import Sampler

PHANTOMS, HELD_OUT, EPOCHS, BATCH = 8_000, 1_000, 14, 64
READER_SEED, REQUEST_SEED = 901, 902  # never used in training
PERSONS = 100


class Reader(nn.Module):
    """Images (n, 3, 64, 64) in [-1, 1] -> logits (n, conditions + ages)."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 24), (24, 48), (48, 96), (96, 128)):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        head = [nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * 16, 128), nn.ReLU()]
        self.net = nn.Sequential(*layers, *head, nn.Linear(128, vocabulary.c_dim))
        self.split = [len(vocabulary.conditions), len(vocabulary.ages)]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        condition, age = torch.split(self.net(images), self.split, dim=1)
        return condition, age


def trained_reader(vocabulary: Vocabulary, size: int) -> tuple[Reader, tuple[float, float]]:
    """A reader, and its accuracy of condition and age group on phantoms it has not seen."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "phantoms.zip"
        synthesise(path, count=PHANTOMS + HELD_OUT, size=size, seed=READER_SEED, workers=2)
        with Dataset.open(path) as data:
            images, labels = to_tensor(data.images()), torch.from_numpy(data.labels)
    torch.manual_seed(0)
    reader = Reader(vocabulary)
    conditions, ages = (part.argmax(dim=1) for part in torch.split(labels, reader.split, dim=1))
    optimizer = torch.optim.AdamW(reader.parameters(), weight_decay=0.02)
    steps = EPOCHS * (PHANTOMS // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for step in range(steps):
        at = step * BATCH % (PHANTOMS - BATCH)
        if at < BATCH:
            order = torch.randperm(PHANTOMS)
        batch = order[at : at + BATCH]
        x = images[batch].flip(3) if step % 2 else images[batch]
        condition, age = reader(x)
        loss = F.cross_entropy(condition, conditions[batch]) + F.cross_entropy(age, ages[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    reader.eval()
    held_out = slice(PHANTOMS, None)
    return reader, accuracy(reader, images[held_out], conditions[held_out], ages[held_out])


@torch.inference_mode()
def accuracy(reader: Reader, images: Tensor, conditions: Tensor, ages: Tensor) -> tuple[float, float]:
    condition, age = reader(images)
    return (
        (condition.argmax(dim=1) == conditions).float().mean().item(),
        (age.argmax(dim=1) == ages).float().mean().item(),
    )


def main() -> None:
    net = checkpoint.load_generator(weights.default())
    vocabulary = net.config.vocabulary
    assert vocabulary is not None
    reader, on_phantoms = trained_reader(vocabulary, net.config.resolution)
    print(f"\nreader on {HELD_OUT} unseen phantoms: condition {on_phantoms[0]:.1%}, age group {on_phantoms[1]:.1%}")
    for truncation in (0.6, 1.0):
        request = ImageSetRequest(
            "age_related", vocabulary.conditions, count=PERSONS, seed=REQUEST_SEED, truncation=truncation
        )
        rows = expand(request, vocabulary, {})
        images = Sampler(net).render(rows, request)
        conditions = torch.tensor([vocabulary.conditions.index(row.condition) for row in rows])
        ages = torch.tensor([vocabulary.age_names.index(row.age_group) for row in rows])
        condition, age = accuracy(reader, to_tensor(images), conditions, ages)
        print(
            f"generated, truncation {truncation}: condition {condition:.1%}, age group {age:.1%}, "
            f"dlib finds a face in {found(images[::5]):.1%} ({len(rows)} images, faces sought in every fifth)"
        )


def found(images: Pixels) -> float:
    """Share of images (n, h, h, 3) uint8, enlarged to 256 px, in which dlib finds a face."""
    detector = FaceDetector()
    hits = 0
    for picture in images:
        try:
            detector.largest(cv2.resize(picture, (256, 256), interpolation=cv2.INTER_CUBIC))
            hits += 1
        except NoFaceError:
            pass
    return hits / len(images)
