"""Faces and classifiers that tests of questions are asked about."""

from __future__ import annotations

import numpy as np
import torch

from recognition.classifier import Classifier, build_network
from recognition.config import ClassifierTrainingConfig
from recognition.ensemble import Ensemble
from recognition.images.image_stack import Stack
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Sample

CLASSES = ("WS", "unaffected")
AGES = ("infant", "adolescent")
SIDE = 32


def make_stack(persons: int, images: int) -> Stack:
    """Faces of noise: this many persons of each condition and age, with this many images each."""
    samples = []
    for condition in CLASSES:
        label = tuple(float(condition == name) for name in CLASSES)
        for age in AGES:
            for person in range(persons):
                name = f"{condition}-{age}-{person}"
                samples += [Sample(f"{name}-{n}", label, condition, age, name, True) for n in range(images)]
    pixels = np.random.default_rng(0).integers(0, 256, (len(samples), SIDE, SIDE, 3), dtype=np.uint8)
    labels = torch.tensor([sample.label for sample in samples], dtype=torch.float32)
    return Stack(CLASSES, tuple(samples), torch.from_numpy(pixels), labels)


def make_ensemble(*seeds: int) -> Ensemble:
    """Classifiers with random weights."""
    classifiers = []
    for seed in seeds:
        config = ClassifierTrainingConfig(network="small", size=SIDE, seed=seed)
        network = build_network(config, len(CLASSES)).eval()
        classifiers.append(Classifier(network, CLASSES, config, TrainingRecord("classifier", frozenset())))
    return Ensemble(tuple(classifiers), tuple(map(str, seeds)))
