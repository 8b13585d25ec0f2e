"""Selection of the images of a filtered request: persons are drawn, rendered and scored until enough have passed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from api.image_sets.scoring import EMBEDDING, ImageScorer, Scores, finish_scores, read_embeddings
from api.models.model import Model, Pixels, RenderPlan, Row, identify_row
from api.provenance.claims import Claim, sheet_notice
from api.provenance.marks import encode
from core.errors import RequestError
from faces.contact_sheets import contact_sheet
from gen.imagesets import Draws

_IMAGES_AT_ONCE: Final = 256
_SHOWN: Final = 6
"""Examples on the sheet of those whom each minimum refused."""

_LISTED: Final = 1000
"""Persons who were left out, of whom a selection lists seed, reason and scores."""

HELD_BACK: Final = "held_back"
"""Name under which a selection counts persons with an image that is too near to a training person."""

TRAINING: Final = "training_people"
"""Score: the share of unseen people who are as near to a training person as the image or nearer."""

_ANY_NUMBER: Final = 2**31

Render: TypeAlias = Callable[[RenderPlan, Sequence[Row]], Pixels]
"""Function that renders rows of a plan as uint8 (n, h, h, 3)."""


@dataclass(frozen=True)
class Selection:
    """Selection of a filtered request, which stands for it from then on.

    Attributes:
        request: request for the images that were kept: it gives the same images wherever it is asked, without a filter.
        drawn, kept: numbers of persons; of images in `unrelated` and `blended`.
        refused: number of those whom each minimum refused, and of those held back. Several minima may refuse one.
        left_out: the first that were left out: seed, label, minima that refused them, and scores of the image.
        scores: of each image that was kept, by `api.models.model.identify_row`.
    """

    request: Mapping[str, Any]
    drawn: int
    kept: int
    refused: Mapping[str, int]
    left_out: Sequence[Mapping[str, Any]]
    scores: Mapping[str, Scores]

    def apply(self, plan: RenderPlan, model: Model) -> RenderPlan:
        """Return a filtered plan with the rows that were kept."""
        kept = model.plan(self.request, _ANY_NUMBER)
        return replace(plan, rows=kept.rows, draws=None, scores=self.scores if plan.scored else None)


@dataclass(frozen=True)
class _ScoredImage:
    """Image that was drawn: its row as JSON, scores, pixels, the distance to those kept before its batch, and
    whether it is too near to a training person."""

    row: Mapping[str, Any]
    scores: Scores
    pixels: Pixels
    distance: float
    near: bool


class ImageSelector:
    """Draws persons until as many as asked for have passed every minimum with all of their images, and none of these is
    too near to a training person.

    Args:
        plan: of a filtered request.
        model: the generator.
        scorer: of the request; None for one without scores, whose images are only compared with training people.
        render: renders candidates.
    """

    def __init__(self, plan: RenderPlan, model: Model, scorer: ImageScorer | None, render: Render) -> None:
        self._plan, self._model, self._scorer, self._render = plan, model, scorer, render
        self._minima: Mapping[str, float] = plan.request.minima
        self._drawn = 0
        self._refused: Counter[str] = Counter()
        self._left_out: list[dict[str, Any]] = []
        self._examples: dict[str, list[Pixels]] = {}
        self._kept: list[dict[str, Any]] = []
        self._batch_start = 0

    def select(self) -> Selection:
        """Draw and keep persons, label by label.

        Raises:
            RequestError: too few pass among those who may be drawn; it says how many each minimum refused.
        """
        seeds: dict[str, Any] = {}
        persons = 0
        for draws in self._plan.draws or ():
            chosen = self._choose_persons(draws)
            persons += len(chosen)
            if draws.age is None:
                seeds[draws.condition] = chosen
            else:
                seeds.setdefault(draws.condition, {})[draws.age] = chosen
        request = replace(self._plan.request.keep(seeds), precision=self._plan.request.arithmetic)
        kept = finish_scores(self._kept) if self._scorer is not None else ()
        scores = {identify_row(line): dict(line["scores"]) for line in kept}
        return Selection(request.to_json(), self._drawn, persons, dict(self._refused), self._left_out, scores)

    def draw_left_out(self) -> bytes | None:
        """Return a PNG with the first images that each minimum refused; None if nothing was left out."""
        if not self._examples:
            return None
        names = [*self._examples]
        sheet = contact_sheet(
            [self._examples[name] for name in names],
            row_titles=[
                f"{name} {self._minima[name.removeprefix('min_')]:g}\nrefused {self._refused[name]}" for name in names
            ],
            title=f"Left out: {self._drawn} drawn",
            footer=f"{sheet_notice(self._model.info.origin)}\nEach row shows the first images that a minimum refused.",
        )
        what = {"image_set": self._plan.id, "sheet": True, "left_out": True}
        return encode(sheet, Claim("synthetic", self._model.info.weights_sha256, what))

    def _choose_persons(self, draws: Draws) -> list[int]:
        """Return the seeds of the first persons of a label who pass."""
        chosen: list[int] = []
        place, before = 0, Counter(self._refused)
        while len(chosen) < draws.wanted:
            if place >= len(draws.seeds):
                raise self._explain_shortage(draws, len(chosen), self._refused - before)
            share = max(len(chosen), 1) / place if place else 1.0
            more = min(math.ceil((draws.wanted - len(chosen)) / share), _IMAGES_AT_ONCE)
            batch = self._score_persons(draws, draws.seeds[place : place + more])
            for seed, images in batch.items():
                if len(chosen) < draws.wanted:
                    self._drawn += 1
                    if self._admit(images):
                        chosen.append(seed)
            place += more
        return chosen

    def _score_persons(self, draws: Draws, seeds: Sequence[int]) -> dict[int, list[_ScoredImage]]:
        """Render and score persons; returns their images by seed."""
        plan = self._model.plan(draws.select(self._plan.request, seeds).to_json(), _ANY_NUMBER)
        found: dict[int, list[_ScoredImage]] = {seed: [] for seed in seeds}
        for start in range(0, len(plan.rows), _IMAGES_AT_ONCE):
            rows = plan.rows[start : start + _IMAGES_AT_ONCE]
            images, lines = self._render(plan, rows), [row.to_json() for row in rows]
            scored = [{} for _ in lines] if self._scorer is None else self._scorer.score(lines, images)
            near = self._compare_with_training(scored, images)
            distances = _find_nearest(scored, self._kept) if "novelty" in self._minima else [math.inf] * len(rows)
            each = zip(lines, scored, images, distances, near, strict=True)
            for image in (_ScoredImage(*one) for one in each):
                found[image.row["seed"]].append(image)
        self._batch_start = len(self._kept)
        return found

    def _compare_with_training(self, scored: Sequence[Scores], images: Pixels) -> Sequence[bool]:
        """Find images that are too near to a training person, and add to scores how near each image is."""
        if self._model.guard is None:
            return [False] * len(images)
        near, ranks = self._model.guard.compare(images)
        if self._scorer is not None:
            for scores, rank in zip(scored, ranks.tolist(), strict=True):
                scores[TRAINING] = None if math.isnan(rank) else rank
        return [bool(one) for one in near]

    def _admit(self, images: Sequence[_ScoredImage]) -> bool:
        """Keep a person whose images all pass every minimum, or note why not.

        Of images that are too near to a training person only the number is noted: seed or picture would show whom.
        """
        if any(image.near for image in images):
            self._refused[HELD_BACK] += 1
            return False
        refused_by: dict[str, tuple[_ScoredImage, float]] = {}
        for image in images:
            for name, least in self._minima.items():
                value = self._find_novelty(image) if name == "novelty" else image.scores[name]
                if value < least:
                    refused_by.setdefault(name, (image, value))
        if not refused_by:
            self._kept += [{**image.row, "scores": image.scores} for image in images]
            return True
        minima = [f"min_{name}" for name in refused_by]
        self._refused.update(minima)
        name, (image, value) = next(iter(refused_by.items()))
        if len(self._left_out) < _LISTED:
            label = {field: image.row[field] for field in ("seed", "condition", "age_group", "step")}
            scores = {field: score for field, score in image.scores.items() if field != EMBEDDING} | {name: value}
            self._left_out.append({**label, "refused_by": minima, "scores": scores})
        examples = self._examples.setdefault(minima[0], [])
        if len(examples) < _SHOWN:
            examples.append(image.pixels.copy())
        return False

    def _find_novelty(self, image: _ScoredImage) -> float:
        """Return the distance of an image to the nearest one that was kept; all of these show other persons."""
        since = _find_nearest([image.scores], self._kept[self._batch_start :])
        return round(min(image.distance, *since), 2)

    def _explain_shortage(self, draws: Draws, passed: int, refused: Counter[str]) -> RequestError:
        """Return the error of a label for which too few passed."""
        whom = draws.condition if draws.age is None else f"{draws.condition}, {draws.age}"
        reasons = ", ".join(
            f"{count} are too near to a person of the training data"
            if name == HELD_BACK
            else f"{name} {self._minima[name.removeprefix('min_')]:g} refused {count}"
            for name, count in refused.most_common()
        )
        field = refused.most_common(1)[0][0]
        if field == HELD_BACK:
            field = "seeds" if self._plan.request.seeds is not None else "count"
        return RequestError(
            field,
            f"too few pass: {len(draws.seeds)} of {whom} were drawn, {passed} passed, and {draws.wanted} are wanted; "
            f"{reasons}: lower the minimum, or ask for fewer or other persons",
        )


def _find_nearest(scores: Sequence[Scores], kept: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the distance of each image to the nearest of those that were kept; infinite if there is none."""
    from faces.measures.image_scores import measure_distances

    if not kept:
        return [math.inf] * len(scores)
    theirs = read_embeddings([line["scores"] for line in kept])
    return [float(value) for value in measure_distances(read_embeddings(scores), theirs).min(axis=1)]
