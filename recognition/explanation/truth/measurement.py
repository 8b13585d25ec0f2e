"""Measurement of classifiers on test faces: moves of the logit by region, and relevance of regions by method."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import torch

from core.atomic_files import write_file
from core.statistics.rank_correlation import compute_spearman
from faces.images import Pixels
from faces.phantoms.person import Phantom
from recognition.classifier import Classifier, build_network
from recognition.explanation.regions.relevance import sum_channels
from recognition.explanation.saliency.methods import METHODS, attribute, find_obstacle
from recognition.explanation.truth.phantom_faces import MASKED, Edit, PhantomFace, draw_edges, draw_phantom_face
from recognition.explanation.truth.restoration import PARTS
from recognition.images.image_stack import to_network_input

EDGES: Final = "edges"
"""Map of the edges of the picture, measured beside the methods: it knows nothing of the classifier."""

MAPS: Final = (*METHODS, EDGES)

SANITY_FACES: Final = 4
"""Faces of each classifier whose maps are compared with those of random weights."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TruthMeasurement:
    """Results of n test faces with their true condition as target. Methods that are not defined have NaN.

    Attributes:
        conditions: (n,) names.
        persons: (n,) identities.
        moves: (n, PARTS) fall of the target's logit if a part is restored; 0 for parts that the condition kept.
        margins: (n, PARTS) the same for the target's logit less the mean of the other classes' logits.
        total, total_margin: (n,) fall if all parts are restored.
        changes: (n, MASKED) sum of the differences of pixels by the condition in each region.
        areas: (n, MASKED) pixels of each region.
        relevance: (n, MAPS, MASKED) sum of a map over each region, absolute values as published.
        peaks: (n, MAPS) place in MASKED of the region with a map's largest value.
        similarity: (n, METHODS) Spearman correlation, over pixels, of a map with that of random weights; NaN for
            faces of which it is not measured.
        seconds: (n, METHODS) processor seconds of a map.
        correct: (n,) 1 where the classifier names the condition.
    """

    conditions: npt.NDArray[np.str_]
    persons: npt.NDArray[np.int64]
    moves: Floats
    margins: Floats
    total: Floats
    total_margin: Floats
    changes: Floats
    areas: Floats
    relevance: Floats
    peaks: npt.NDArray[np.int64]
    similarity: Floats
    seconds: Floats
    correct: Floats

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        data = io.BytesIO()
        np.savez_compressed(data, **{field.name: getattr(self, field.name) for field in fields(self)})
        write_file(path, data.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of `save`."""
        with np.load(path) as stored:
            return cls(**{field.name: stored[field.name] for field in fields(cls)})

    def select(self, rows: npt.NDArray[Any]) -> Self:
        """Select faces."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Join the faces of several measurements."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def measure_truth(
    classifiers: Sequence[Classifier],
    persons: Sequence[Phantom],
    folder: Path,
    edit: Edit = lambda image: image,
    on_face: Callable[[], None] = lambda: None,
) -> TruthMeasurement:
    """Measure classifiers on phantoms that none of them saw, or continue; each person is measured with one of them.

    Args:
        classifiers: folds of a cross-validation; they take turns.
        persons: phantoms whose conditions are classes of the classifiers.
        folder: measurements of single classifiers are kept there.
        edit: applied to every picture.
        on_face: called after each face, also for those that were measured before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for fold, classifier in enumerate(classifiers):
        # Conditions take turns among persons, so that a fold takes whole rounds.
        rounds = len({person.condition for person in persons})
        mine = [person for index, person in enumerate(persons) if index // rounds % len(classifiers) == fold]
        path = folder / f"fold-{fold}.npz"
        if path.exists():
            parts.append(TruthMeasurement.load(path))
            for _ in mine:
                on_face()
            continue
        faces = []
        for index, person in enumerate(mine):
            face = draw_phantom_face(person, classifier.config.size, edit)
            faces.append(measure_face(classifier, face, sanity=index < SANITY_FACES))
            on_face()
        if faces:
            parts.append(TruthMeasurement.join(faces))
            parts[-1].save(path)
    return TruthMeasurement.join(parts)


def measure_face(classifier: Classifier, face: PhantomFace, sanity: bool) -> TruthMeasurement:
    """Measure one face: its moves and its maps."""
    target = classifier.classes.index(face.phantom.condition)
    logits = compute_face_logits(classifier, [face.image, face.unaffected, *face.restored.values()])
    margins = logits[:, target] - np.delete(logits, target, axis=1).mean(axis=1)
    moves, moved_margins = np.zeros((2, len(PARTS)))
    for row, part in enumerate(face.restored, 2):
        moves[PARTS.index(part)] = logits[0, target] - logits[row, target]
        moved_margins[PARTS.index(part)] = margins[0] - margins[row]
    image = to_network_input(torch.from_numpy(face.image)[None])
    relevance = np.full((len(MAPS), len(MASKED)), np.nan)
    peaks = np.full(len(MAPS), -1)
    similarity, seconds = np.full((2, len(METHODS)), np.nan)
    other_weights = replace(classifier.config, seed=classifier.config.seed + 1)
    random = build_network(other_weights, len(classifier.classes)).eval() if sanity else None
    for row, name in enumerate(MAPS):
        if name == EDGES:
            values = draw_edges(face.image)
        elif find_obstacle(classifier.network, name) is None:
            began = time.process_time()
            values = sum_channels(attribute(classifier.network, image, [target], name))[0]
            seconds[row] = time.process_time() - began
            if random is not None:
                before = sum_channels(attribute(random, image, [target], name))[0]
                similarity[row] = float(compute_spearman(values.ravel(), before.ravel()))
        else:
            continue
        relevance[row] = [values[face.masks[region]].sum() for region in MASKED]
        peak = np.unravel_index(values.argmax(), values.shape)
        peaks[row] = next(place for place, region in enumerate(MASKED) if face.masks[region][peak])
    return TruthMeasurement(
        conditions=np.array([face.phantom.condition]),
        persons=np.array([face.phantom.identity]),
        moves=moves[None],
        margins=moved_margins[None],
        total=np.array([logits[0, target] - logits[1, target]]),
        total_margin=np.array([margins[0] - margins[1]]),
        changes=face.measure_changes()[None],
        areas=np.array([[face.masks[region].sum() for region in MASKED]], dtype=np.float64),
        relevance=relevance[None],
        peaks=peaks[None],
        similarity=similarity[None],
        seconds=seconds[None],
        correct=np.array([float(logits[0].argmax() == target)]),
    )


def compute_face_logits(classifier: Classifier, images: Sequence[Pixels]) -> Floats:
    """Compute logits (n, classes) float64 of pictures of one size."""
    with torch.inference_mode():
        logits = classifier.network(to_network_input(torch.from_numpy(np.stack(images))))
    return np.asarray(logits.double().numpy())
