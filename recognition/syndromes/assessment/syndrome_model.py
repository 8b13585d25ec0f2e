"""Trained models of a syndrome, which answer for a photograph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from core import tensor_files
from core.errors import CheckpointError, NoFaceError
from faces.images import Pixels
from recognition.syndromes.assessment.answer import AnswerReason, Assessment, Estimate, Group, Line
from recognition.syndromes.assessment.calibration import Calibration
from recognition.syndromes.assessment.members import (
    TERM_MODELS,
    Floats,
    Member,
    average_members,
    load_members,
    name_face_alone,
)
from recognition.syndromes.assessment.model_files import StoredModel, SyndromeCard
from recognition.syndromes.assessment.novelty_space import NoveltySpace, scale_block
from recognition.syndromes.assessment.picture import AlignedFace
from recognition.syndromes.cohorts.grouping import Likeness, measure_likeness
from recognition.syndromes.features.descriptors import FaceDescriptor
from recognition.syndromes.features.extraction import extract, name_features
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import DESCRIPTOR, POINTS
from recognition.syndromes.models.ensemble import MEMBERS
from recognition.syndromes.models.reasons import Reason
from recognition.syndromes.models.registry import ENSEMBLE, list_blocks
from recognition.syndromes.models.terms_similarity import select_terms

_FACE: Final = "face"
_MOST_REASONS: Final = 10


@dataclass(frozen=True)
class SyndromeModel:
    """Trained models of a syndrome.

    Attributes:
        card: what people read of it.
        sha256: digest of the file.
        members: models of all draws.
        calibrations: by the name of the model.
        spaces: faces of the training, by the name of the space.
        patients: (n,) whether each face of the training is a patient's.
        flat: whether the points of the face are flat landmarks.
        descriptor: network that describes faces.
    """

    card: SyndromeCard
    sha256: str
    members: tuple[Member, ...]
    calibrations: Mapping[str, Calibration]
    spaces: Mapping[str, NoveltySpace]
    patients: npt.NDArray[np.bool_]
    flat: bool
    descriptor: FaceDescriptor

    @classmethod
    def open(cls, path: Path, descriptor: FaceDescriptor) -> Self:
        """Open a file of `gestaltgen syndromes train`.

        Args:
            descriptor: network that describes faces, the same as in the training.

        Raises:
            CheckpointError: it cannot be read, is another file, or was trained on features of another computation.
        """
        stored = StoredModel.read(path)
        arrays, settings = stored.arrays, stored.settings
        trained, here = settings.get("features"), name_features(descriptor.name)
        if trained != here:
            raise CheckpointError(
                f"{path} was trained on features {trained!r}; this program computes {here!r}: name the descriptor of "
                "the training with --descriptor, or train the models again with `gestaltgen syndromes train`"
            )
        with tensor_files.refuse_malformed_header(path, "a trained model of a syndrome"):
            return cls(
                card=stored.card,
                sha256=tensor_files.sha256(path),
                members=tuple(load_members(arrays, settings["members"])),
                calibrations={
                    name: Calibration(
                        method, *(arrays[f"calibration/{name}/{part}"] for part in ("probability", "low", "high"))
                    )
                    for name, method in settings["calibrations"].items()
                },
                spaces={
                    name: NoveltySpace(arrays[f"space/{name}/faces"], arrays[f"space/{name}/nearest"])
                    for name in stored.card.novelty_limits
                },
                patients=arrays["patients"].astype(bool),
                flat=bool(settings["flat"]),
                descriptor=descriptor,
            )

    def assess(
        self,
        image: Pixels,
        *,
        sex: str | None = None,
        age: float | None = None,
        terms: Sequence[str] | None = None,
        prior: float = 0.5,
    ) -> Assessment:
        """Answer whether the largest face of a photograph is evidence for the syndrome.

        Args:
            image: uint8 (h, w, 3).
            sex, age: of the person, in the words of `faces.datasets.records.SEXES` and in years.
            terms: ids of HPO terms that were observed; None if they are not known.
            prior: share of patients among the people who are asked about.

        Raises:
            ImageError: there is no face, or it is too small.
        """
        face = AlignedFace.find(image)
        features = self.represent(image, sex, age)
        if terms:
            features = features.with_terms([terms])
        novelty = {name: space.measure(name, features.block(name)[0]) for name, space in self.spaces.items()}
        refusals = tuple(_refuse(name) for name, one in novelty.items() if one.beyond)
        if self.spaces[DESCRIPTOR].knows(DESCRIPTOR, features.block(DESCRIPTOR)[0]):
            refusals += (
                "this photograph seems to be one of the training; the models answer for people whom they have not seen",
            )
        able = [] if refusals else self._select_members(features)
        reasons = tuple(self.explain(able, features, face))
        return Assessment(
            syndrome=self.card.syndrome,
            model_sha256=self.sha256,
            prior=prior,
            estimates=self._estimate(able, features, prior),
            refusals=refusals,
            remarks=tuple(self._remark(able, features, sex, age, terms)) if not refusals else (),
            novelty=novelty,
            patients=self.card.patients,
            controls=self.card.controls,
            reasons=reasons,
            picture=face.draw(not refusals, reasons),
        )

    def describe(self, image: Pixels) -> npt.NDArray[np.float32]:
        """Return the descriptor (p,) of the largest face of a photograph, of length 1.

        Raises:
            ImageError: there is no face, or it is too small.
        """
        return np.asarray(scale_block(DESCRIPTOR, self.represent(image, None, None).block(DESCRIPTOR))[0])

    def measure_likeness(self, members: npt.NDArray[np.float32], image: Pixels) -> Likeness:
        """Measure whether a face is like the members of a cohort, compared with the controls of the training.

        Args:
            members: (n, p) descriptors of two members or more, from `describe`.

        Raises:
            ImageError: there is no face, or it is too small.
        """
        controls = self.spaces[DESCRIPTOR].faces[~self.patients]
        return measure_likeness(members, controls, self.describe(image))

    def represent(self, image: Pixels, sex: str | None, age: float | None) -> FaceFeatures:
        """Return the features of the largest face of a photograph; arguments and errors as of `assess`."""
        features, failures = extract(
            {_FACE: image},
            descriptor=self.descriptor,
            flat=self.flat,
            ages={} if age is None else {_FACE: age},
            sexes={} if sex is None else {_FACE: sex},
        )
        if failures:
            raise NoFaceError(failures[_FACE])
        return features

    def _select_members(self, features: FaceFeatures) -> list[Member]:
        """Return the members that can answer for a face: those whose blocks of the features are known."""
        return [one for one in self.members if features.complete(list_blocks(one.name, one.predictor.layout)).all()]

    def _estimate(self, members: Sequence[Member], features: FaceFeatures, prior: float) -> dict[str, Estimate]:
        answers: dict[str, list[Floats]] = defaultdict(list)
        for one in members:
            answers[one.name].append(one.answer(features))
        means = {name: np.mean(parts, axis=0) for name, parts in answers.items()}
        ensemble = average_members(means)
        if ensemble is not None:
            means[ENSEMBLE] = ensemble
        calibrated = {name: name for name in means}
        for name in TERM_MODELS:
            alone = all(one.goes_by_face(features) for one in members if one.name == name)
            if name in means and alone and name_face_alone(name) in self.calibrations:
                calibrated[name] = name_face_alone(name)
        return {
            name: self.calibrations[calibrated[name]].estimate(float(mean[0]), prior)
            for name, mean in means.items()
            if calibrated[name] in self.calibrations
        }

    def explain(self, members: Sequence[Member], features: FaceFeatures, face: AlignedFace) -> list[AnswerReason]:
        """Return the most important reasons of each model; the weights are means over the draws."""
        weights: dict[tuple[str, str | tuple[int, ...]], float] = defaultdict(float)
        nearest: dict[tuple[str, str | tuple[int, ...]], list[tuple[int, int]]] = defaultdict(list)
        first: dict[tuple[str, str | tuple[int, ...]], Reason] = {}
        for one in members:
            for reason in one.explain(features):
                key = one.name, reason.points or reason.name
                first.setdefault(key, reason)
                weights[key] += reason.weight / self.card.draws
                if reason.nearest is not None:
                    nearest[key].append(reason.nearest)

        def place(points: tuple[int, ...]) -> Line:
            return face.place_line(features.block(POINTS)[0].reshape(-1, 3)[list(points)])

        reasons: dict[str, list[AnswerReason]] = defaultdict(list)
        for (model, what), weight in sorted(weights.items(), key=lambda item: -abs(item[1])):
            reason = first[model, what]
            line = place(reason.points) if reason.kind == "distance" else None
            if len(reasons[model]) < _MOST_REASONS:
                name = _name_nearest(reason.name, nearest[model, what]) if reason.nearest else reason.name
                reasons[model].append(AnswerReason(model, reason.kind, name, weight, line))
        return [one for model in dict.fromkeys(one.name for one in members) for one in reasons[model]]

    def _remark(
        self,
        members: Sequence[Member],
        features: FaceFeatures,
        sex: str | None,
        age: float | None,
        terms: Sequence[str] | None,
    ) -> list[str]:
        card, able = self.card, {one.name for one in members}
        remarks = [
            f"{name} cannot take this face: {features.gaps.get(_FACE, 'a part of the features is missing')}"
            for name in sorted({one.name for one in self.members} - able)
        ]
        lacking = " and ".join(what for what, value in (("sex", sex), ("age", age)) if value is None)
        fitted = sorted({one.name for one in members if POINTS in list_blocks(one.name, one.predictor.layout)})
        if lacking and fitted and not self.flat:
            remarks.append(
                f"the {lacking} of the person was not given, but was known of the people of the training: the head "
                f"that is fitted to the face is less exact, and with it {', '.join(fitted)} and the ensemble"
            )
        for name in sorted(able.intersection(TERM_MODELS)):
            remarks += _remark_terms(name, tuple(terms or ()))
        for group, called in ((card.patients, "patients"), (card.controls, "controls")):
            remarks += _compare_person(group, called, sex, age)
        if unknown := [what for what, value in (("sex", sex), ("age", age)) if value is None]:
            remarks.append(f"{' and '.join(unknown)} not given, and so not compared with those of the training")
        if self.flat and any(POINTS in list_blocks(one.name, one.predictor.layout) for one in members):
            remarks.append("the points of the face are flat landmarks, as in the training, and no fitted head")
        averaged = [name for name in MEMBERS if name in able]
        if len(averaged) > 1:
            remarks.append(f"{ENSEMBLE} is the mean of {', '.join(averaged)}")
        return remarks


def _remark_terms(model: str, terms: tuple[str, ...]) -> list[str]:
    """Return which terms a model does not compare, with the reason, and whether the face alone decides."""
    selection = select_terms(terms)
    remarks = []
    for name, columns in zip(terms, selection.columns, strict=True):
        if not columns.any():
            reason = selection.problems.get(name, "photographs show such features, or they are of behaviour")
            remarks.append(f"{model} does not compare the term {name}: {reason}")
    if not selection.terms:
        remarks.append(f"no HPO terms that count were given; {model} uses the face alone")
    return remarks


def _compare_person(group: Group, called: str, sex: str | None, age: float | None) -> list[str]:
    """Return what is unlike the people of a group in a person."""
    remarks = []
    if sex is not None and sex not in group.sexes:
        remarks.append(
            f"the {called} of the training have fewer than 5 persons of sex {sex}, or their number is withheld"
        )
    if age is not None and group.ages and not group.ages[0] <= age <= group.ages[-1]:
        remarks.append(
            f"the {called} of the training are {group.ages[0]:g} to {group.ages[-1]:g} years old, this person {age:g}"
        )
    return remarks


def _name_nearest(name: str, nearest: Sequence[tuple[int, int]]) -> str:
    """Return a text for the nearest faces of all draws: numbers of patients, and of these faces."""
    patients, faces = np.sum(nearest, axis=0)
    return f"{name}: {patients} of the {faces} nearest faces of {len(nearest)} draws are patients'"


def _refuse(space: str) -> str:
    return (
        f"the face is unlike all faces of the training: its {space} lies farther from the nearest one than the limit "
        "that the card of the model states"
    )
