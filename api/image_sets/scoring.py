"""Scores of the images of a set: condition and age as a network reads them, face found, sharpness, novelty.

A measure is a function from rows and their images to a mapping of scores for each. Another one is added in
`open_scorer`; if images shall be refused by it, its minimum is one of `faces.image_set_request.MINIMA`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

import weights
from api.image_sets.storage import Line
from api.models.attribute_readers import (
    ORACLE,
    AttributeReader,
    ClassifierReader,
)
from api.models.classifiers import Classifiers, compute_digest
from api.models.model import ModelInfo, Pixels
from core import tensor_files
from core.errors import MissingPackageError, RequestError
from faces.datasets.records import PHANTOMS
from faces.image_set_request import ImageSetRequest

Scores: TypeAlias = dict[str, Any]
"""Scores of an image by name, as the manifest has them."""

Measure: TypeAlias = Callable[[Sequence[Line], Pixels], list[Scores]]
"""Function from rows and their images (n, h, h, 3) to the scores of each."""

EMBEDDING: Final = "embedding"
"""Score that stands for the image in distances, as hexadecimal digits, until the set is complete."""


class ImageScorer:
    """Scores images, each by itself.

    Args:
        measures: in the order of the manifest.
    """

    def __init__(self, measures: Sequence[Measure]) -> None:
        self._measures = measures

    def score(self, rows: Sequence[Line], images: Pixels) -> list[Scores]:
        """Return the scores of images (n, h, h, 3) with their rows; the novelty follows from EMBEDDING."""
        found: list[Scores] = [{} for _ in rows]
        for measure in self._measures:
            for scores, more in zip(found, measure(rows, images), strict=True):
                scores |= more
        return found


def settle_scores(asked: Mapping[str, Any], info: ModelInfo, classifiers: Classifiers | None) -> dict[str, Any]:
    """Return the fields of a request with the reader and its digest named, if scores are asked for.

    Args:
        info: the generator.
        classifiers: of the service; None for none.

    Raises:
        RequestError: the reader is unknown, or does not read what is to be filtered.
    """
    request = ImageSetRequest.from_json({name: value for name, value in asked.items() if name != "model"})
    if not (request.scores or request.minima):
        return dict(asked)
    readers = list_readers(info, classifiers)
    name = request.classifier or (ORACLE if ORACLE in readers else None)
    if name is None:
        for minimum in ("condition", "age"):
            if minimum in request.minima:
                raise RequestError(f"min_{minimum}", _advise(f"nothing reads the {minimum} of this generator", readers))
        return dict(asked)
    if name not in readers:
        raise RequestError("classifier", _advise(f"unknown {name!r}", readers))
    if "age" in request.minima and ORACLE not in readers:
        raise RequestError(
            "min_age", "classifiers read no ages, and the oracle reads those of phantoms only; leave it out"
        )
    unread = set(request.conditions or info.conditions) - set(readers[name])
    if "condition" in request.minima and unread:
        raise RequestError(
            "classifier", f"{name!r} does not read {', '.join(sorted(unread))}; it reads {', '.join(readers[name])}"
        )
    return {
        **asked,
        "classifier": name,
        "classifier_sha256": _find_digest(name, classifiers, request.classifier_sha256),
    }


def open_scorer(info: ModelInfo, request: ImageSetRequest, classifiers: Classifiers | None) -> ImageScorer:
    """Open the scorer of a request that `settle_scores` has settled.

    Args:
        info: the generator.

    Raises:
        MissingPackageError: dlib is not installed; scoring by a classifier needs PyTorch too.
        RequestError: the classifier is another one meanwhile.
    """
    if importlib.util.find_spec("dlib") is None:
        raise MissingPackageError("dlib", "scores of image sets")
    measures: list[Measure] = []
    if _shows_phantoms(info):
        from api.models.compiled_oracle import open_oracle  # OpenVINO, which takes a while to import

        oracle = open_oracle(request.arithmetic)
        measures.append(_read_attributes(oracle, info.conditions, conditions=request.classifier in (None, ORACLE)))
    if request.classifier not in (None, ORACLE) and classifiers is not None:
        name = str(request.classifier)
        _find_digest(name, classifiers, request.classifier_sha256)
        measures.append(_read_attributes(ClassifierReader(classifiers, classifiers.find(name)), info.conditions))
    return ImageScorer([*measures, _measure_pictures])


def finish_scores(lines: Sequence[Line]) -> list[Line]:
    """Return the lines of a complete manifest with the novelty of each image in place of its embedding."""
    from faces.measures.image_scores import measure_novelty

    embeddings = read_embeddings([line["scores"] for line in lines])
    finished: list[Line] = []
    for line, novelty in zip(lines, measure_novelty(embeddings, [line["person"] for line in lines]), strict=True):
        scores = {name: value for name, value in line["scores"].items() if name != EMBEDDING}
        finished.append({**line, "scores": scores | {"novelty": None if novelty is None else round(novelty, 2)}})
    return finished


def read_embeddings(scores: Sequence[Scores]) -> npt.NDArray[np.uint8]:
    """Return the embeddings (n, d) that stand in scores of n images."""
    each = bytes.fromhex("".join(one[EMBEDDING] for one in scores))
    return np.frombuffer(each, np.uint8).reshape(len(scores), -1)


def _read_attributes(reader: AttributeReader, labels: Sequence[str], *, conditions: bool = True) -> Measure:
    """Return the measure of what a reader reads.

    The probability of a condition is the overlap of what is read with the label of the row: the probability of its
    condition, or of a blend the sum over conditions of the smaller of probability and weight.

    Args:
        labels: conditions of the generator, in the order of the soft labels.
        conditions: whether conditions are read; if not, only ages.
    """

    def measure(rows: Sequence[Line], images: Pixels) -> list[Scores]:
        reading, found = reader.read(images), []
        for place, row in enumerate(rows):
            scores: Scores = {}
            if conditions:
                read = dict(zip(reader.conditions, reading.conditions[place].tolist(), strict=True))
                asked = zip(labels, row["soft_label"], strict=True)
                overlap = sum(min(weight, read.get(name, 0.0)) for name, weight in asked)
                scores = {"condition": round(overlap, 4), "condition_read": max(read, key=read.__getitem__)}
                scores["read_by"] = reader.name
            if reading.ages is not None:
                ages = dict(zip(reader.ages, reading.ages[place].tolist(), strict=True))
                scores |= {
                    "age": round(ages.get(row["age_group"], 0.0), 4),
                    "age_read": max(ages, key=ages.__getitem__),
                }
            found.append(scores)
        return found

    return measure


def _measure_pictures(rows: Sequence[Line], images: Pixels) -> list[Scores]:
    """Measure what needs no reader."""
    from faces.measures.image_scores import embed_faces, find_faces, measure_fine_detail

    each = zip(find_faces(images), measure_fine_detail(images), embed_faces(images), strict=True)
    return [
        {"face": round(float(face), 2), "sharpness": round(float(sharpness), 3), EMBEDDING: embedding.tobytes().hex()}
        for face, sharpness, embedding in each
    ]


def list_readers(info: ModelInfo, classifiers: Classifiers | None) -> Mapping[str, Sequence[str]]:
    """Return the conditions of each reader that a request for a generator's images can name, the default first."""
    known = {one.name: one.classes for one in (classifiers.list_infos() if classifiers else ())}
    if not _shows_phantoms(info):
        return known
    return {ORACLE: tuple(tensor_files.read_header(weights.oracle())["config"]["conditions"]), **known}


def _shows_phantoms(info: ModelInfo) -> bool:
    return info.origin.endswith(PHANTOMS)


def _find_digest(name: str, classifiers: Classifiers | None, expected: str | None) -> str:
    """Return the digest of a reader, which must be the expected one."""
    known = weights.manifest()[weights.ORACLE]["sha256"] if name == ORACLE else ""
    if classifiers is not None and name != ORACLE:
        known = compute_digest(classifiers.find(name))
    if expected not in (None, known):
        raise RequestError(
            "classifier_sha256",
            f"{expected}; the classifier {name!r} that is there has {known}: serve the other, or ask again",
        )
    return str(known)


def _advise(problem: str, readers: Mapping[str, Sequence[str]]) -> str:
    known = f"expected one of {', '.join(readers)}" if readers else "no classifier is served; name a folder with some"
    return f"{problem}; {known}"
