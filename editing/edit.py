"""Editing a face: along a direction by a strength, or until a smile is what it should be, with what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

import numpy as np
from torch import Tensor

from editing.directions import Direction
from editing.readers import AGE, Read, Reader
from editing.region import Region
from faces.errors import DirectionError
from gen.networks import Generator
from inversion.result import Inversion, render

Verdict: TypeAlias = Literal["good", "doubtful"]

IDENTITY_LIMIT: Final = 0.5
"""Share of the distance between people that an edit may move the identity by."""

MOST_SPREADS: Final = 8.0
"""Standard deviations of the latents along a direction that a search goes at most."""

TOLERANCE: Final = 0.05
"""Of the smile that a search reaches."""

_EVALUATIONS: Final = 16


@dataclass(frozen=True)
class Edit:
    """One edited face.

    Attributes:
        image: (1, 3, h, h) in [-1, 1].
        before: the same face unedited, from the same latent and offsets.
        w: latents of the edited face (1, num_ws, d).
        strength: units along the direction.
        smile: measured before and after; NaN where no landmarks are found.
        target: the smile asked for; None for a raw strength.
        path: strengths tried, and the smile measured at each.
        identity: distance of the identity, in units of the mean distance between different people.
        condition_kept: reads the same condition; None where conditions are not read.
        age_years: change of the age read; None where ages are not read.
        distance: of the latent from the centre of the latents, before and after, in standard deviations.
        verdict: "good", or "doubtful".
        because: what speaks against the edit, in words.
    """

    image: Tensor
    before: Tensor
    w: Tensor
    strength: float
    smile: tuple[float, float]
    target: float | None
    path: tuple[tuple[float, float], ...]
    identity: float
    condition_kept: bool | None
    age_years: float | None
    distance: tuple[float, float]
    verdict: Verdict = "good"
    because: tuple[str, ...] = ()


@dataclass(frozen=True)
class Editor:
    """Moves faces along directions, and measures what becomes of them.

    Args:
        generator: of the faces.
        reader: measures the faces.
        apart: mean distance between different people, as the reader reads them.
        region: where the generator's latents lie.
    """

    generator: Generator
    reader: Reader
    apart: float
    region: Region

    def edit(self, face: Inversion, direction: Direction, strength: float) -> Edit:
        """One face (an inversion of one) moved by so many units along a direction."""
        session = _Session.begin(self, face, direction)
        session.smile_at(strength)
        return session.finished(strength, None)

    def to_smile(self, face: Inversion, direction: Direction, target: float) -> Edit:
        """One face moved until its measured smile is the target, as near as it can be had.

        A bounded search: steps that double until the target lies between two of them, then between those. It goes
        MOST_SPREADS standard deviations of the latents at most.

        Args:
            direction: along which a smile grows.
            target: in [0, 1].

        Raises:
            DirectionError: another target, or no smile can be measured on the face as it is.
        """
        if not 0 <= target <= 1:
            raise DirectionError(f"a smile of {target:g}; expected a number in [0, 1], 0 at rest and 1 broad")
        session = _Session.begin(self, face, direction)
        if not np.isfinite(session.smile_at(0.0)):
            raise DirectionError("no smile can be measured on this face, no landmarks are found; edit by a strength")
        best = search(session.smile_at, target, direction.spread, MOST_SPREADS * direction.spread)
        return session.finished(best, target)


@dataclass
class _Session:
    """One face on its way: what it shows at each strength that was tried."""

    editor: Editor
    face: Inversion
    direction: Direction
    tried: dict[float, tuple[Tensor, Read]] = field(default_factory=dict)

    @classmethod
    def begin(cls, editor: Editor, face: Inversion, direction: Direction) -> _Session:
        if len(face) != 1:
            raise DirectionError(f"{len(face)} faces at once; edit them one by one: inversion[0], inversion[1], …")
        if face.w.shape[-1] != len(direction.vector):
            raise DirectionError(
                f"{direction.name} has {len(direction.vector)} dimensions, the face's latent {face.w.shape[-1]}; "
                "take a direction of the same generator"
            )
        session = cls(editor, face, direction)
        session.smile_at(0.0)
        return session

    def smile_at(self, strength: float) -> float:
        if strength not in self.tried:
            w = self.direction.move(self.face.w, strength)
            image = render(self.editor.generator, w, self.face.offsets)
            self.tried[strength] = image, self.editor.reader(image)
        return float(self.tried[strength][1].smile[0])

    def finished(self, strength: float, target: float | None) -> Edit:
        (before, was), (image, became) = self.tried[0.0], self.tried[strength]
        w = self.direction.move(self.face.w, strength)
        region = self.editor.region
        distances = tuple(region.distance(latent.mean(dim=1)).item() for latent in (self.face.w, w))
        done = Edit(
            image=image,
            before=before,
            w=w,
            strength=strength,
            smile=(float(was.smile[0]), float(became.smile[0])),
            target=target,
            path=tuple((tried, float(read.smile[0])) for tried, (_, read) in self.tried.items()),
            identity=float(np.linalg.norm(became.identity[0] - was.identity[0])) / self.editor.apart,
            condition_kept=None if became.condition is None else became.condition == was.condition,
            age_years=float(became.attributes[AGE][0] - was.attributes[AGE][0]) if AGE in became.attributes else None,
            distance=(distances[0], distances[1]),
        )
        because = (*_against(done, region.limit), *self.direction.flags)
        return replace(done, verdict="doubtful" if because else "good", because=because)


def _against(edit: Edit, limit: float) -> Iterator[str]:
    """What speaks against an edit, in words."""
    if edit.target is not None and not abs(edit.smile[1] - edit.target) <= TOLERANCE:
        yield f"the smile is {edit.smile[1]:.2f}, asked for {edit.target:.2f}"
    if np.isnan(edit.identity):
        yield "no face is found any more"
    elif edit.identity > IDENTITY_LIMIT:
        yield f"the identity moved by {edit.identity:.2f} of the distance between people"
    if edit.condition_kept is False:
        yield "another condition is read"
    if edit.distance[1] > max(limit, edit.distance[0]):
        yield f"the latent lies {edit.distance[1]:.1f} deviations out, beyond the generator's {limit:.1f}"


def search(measure: Callable[[float], float], target: float, step: float, most: float) -> float:
    """The strength at which a measure that mostly grows is nearest to a target, within [-most, most].

    Steps double until they pass the target, then halve between the last two; strengths where nothing can be measured
    (NaN) count as too far. At most 16 are tried.

    Args:
        measure: of a strength; that of 0 is a number.
        step: the first.
    """
    tried = {0.0: measure(0.0)}
    if abs(tried[0.0] - target) <= TOLERANCE / 2:
        return 0.0
    sign = 1.0 if target > tried[0.0] else -1.0
    near, far, size = 0.0, None, step
    for _ in range(_EVALUATIONS):
        strength = sign * min(size, most) if far is None else (near + far) / 2
        value = tried[strength] = measure(strength)
        if abs(value - target) <= TOLERANCE / 2:
            break
        if np.isnan(value) or sign * (value - target) > 0:
            far = strength
        else:
            near = strength
            if far is None and abs(strength) >= most:
                break
            size *= 2
    known = {strength: value for strength, value in tried.items() if not np.isnan(value)}
    return min(known, key=lambda strength: abs(known[strength] - target))
