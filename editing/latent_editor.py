"""Editing of one face along a direction: by a given strength, or until a smile is reached, with its side effects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from core.errors import DirectionError
from core.precision import Precision
from editing.directions import Direction
from editing.face_integrity import FaceIntegrity, measure_integrity
from editing.face_readers import AGE, SMILE, FaceReading, FindLandmarks, Reader
from editing.patterns import IDENTITY, scale_attributes
from editing.svm import Floats
from faces.expression_region import draw_expression_region
from faces.images import to_uint8
from gen.networks import Generator
from inversion.latent_region import LatentRegion
from inversion.methods import Method
from inversion.result import Inversion, render

Verdict: TypeAlias = Literal["good", "doubtful", "refused"]

Applied: TypeAlias = Literal["latent", "warp"]
"""How an edit changes a face: it is generated from a moved latent, or its pixels are moved (`editing.warp`)."""

NOTICE: Final = "Edited images, not photographs, and no basis for a diagnosis."
"""Notice that accompanies every edited image."""

IDENTITY_LIMIT: Final = 0.5
"""Share of the distance between people that an edit may move the identity by."""

MOST_SPREADS: Final = 8.0
"""Longest distance of a search along a direction, in standard deviations of the latents."""

TOLERANCE: Final = 0.05
"""Largest distance between the smile that a search reaches and its target."""

OPPOSITE: Final = (0.2, 0.8)
"""Smiles that most faces can be brought to: at rest, and broad; where the opposite of a face's own is wanted."""

CONDITION_KEPT: Final = 0.7
"""Probability of the condition below which an edit is led back to it, unless it was read as less before."""

HELD_WITHIN: Final = 0.03
"""Change of the smile, or of log(1 + years), that an edit may cause where it is held."""

IDENTITY_HELD_WITHIN: Final = 0.2
"""Share of the distance between people by which an edit may move the identity where it is held."""

_EVALUATIONS: Final = 16
_ROUNDS: Final = 6
_LED_BACK_TO: Final = 0.9
"""Probability of the condition."""

_AGED: Final = 0.05
"""Change of log(1 + years) that costs as much as IDENTITY_LIMIT does."""

_LOST, _MISSED = 2.0, 5.0
"""Cost of a lost condition, and of a smile that misses its target by twice TOLERANCE."""


@dataclass(frozen=True)
class Edit:
    """One edited face.

    Attributes:
        image: (1, 3, h, h) in [-1, 1].
        before: the same face unedited, from the same latent and offsets.
        w: latents of the edited face (1, num_ws, d).
        strength: units along the direction; of a warp, the lift that was added (`editing.warp.expression_model`).
        held: how far, for each unit of the strength, the latent was moved along the patterns of other attributes to
            keep them, (k,) by name, in the units of `editing.patterns`.
        smile: measured before and after; NaN where no landmarks are found.
        target: the smile asked for; None for a raw strength.
        path: strengths tried, and the smile measured at each, in their order.
        identity: distance of the identity, in units of the mean distance between different people.
        condition_kept: reads the same condition; None where conditions are not read.
        age_years: change of the age read; None where ages are not read.
        distance: of the latent from the centre of the latents, before and after, in standard deviations.
        integrity: condition of the face after it.
        local: only the region of the expression was edited (see LatentEditor), as by every warp.
        verdict: "good", "doubtful", or "refused" for a face that is spoilt, whatever smile it shows, or for a local
            edit that changes nothing.
        because: what speaks against the edit, in words.
        precision: of the generator, in both pictures: that of the face.
        applied: how the face was changed.
    """

    image: Tensor
    before: Tensor
    w: Tensor
    strength: float
    held: Mapping[str, Floats]
    smile: tuple[float, float]
    target: float | None
    path: tuple[tuple[float, float], ...]
    identity: float
    condition_kept: bool | None
    age_years: float | None
    distance: tuple[float, float]
    integrity: FaceIntegrity = field(default_factory=FaceIntegrity)
    local: bool = False
    verdict: Verdict = "good"
    because: tuple[str, ...] = ()
    precision: Precision = "float32"
    applied: Applied = "latent"


def check_target(smile: float) -> None:
    """Check a smile that is to be reached.

    Raises:
        DirectionError: it is not in [0, 1].
    """
    if not 0 <= smile <= 1:
        raise DirectionError(f"a smile of {smile:g}; expected a number in [0, 1], 0 at rest and 1 broad")


@dataclass(frozen=True)
class LatentEditor:
    """Moves faces along directions, and measures what becomes of them.

    A face that pivotal tuning reproduced is edited locally: the kernels were bent to reproduce it at one latent, and it
    dissolves where the latent moves far. The smile then moves in the layers of the direction alone, the picture changes
    in the region of the expression alone, and a search goes no further than the face stays whole.

    Args:
        generator: of the faces.
        reader: measures the faces.
        apart: mean distance between different people, as the reader reads them.
        region: where the generator's latents lie.
        patterns: (k, d) of the attributes to be kept, by name (`editing.patterns`): where one that is read has
            changed, the latent is moved back along its pattern. None of them holds nothing.
        find: landmarks of faces, from which that region is drawn; None edits nothing locally.
    """

    generator: Generator
    reader: Reader
    apart: float
    region: LatentRegion
    patterns: Mapping[str, Tensor] = field(default_factory=dict)
    find: FindLandmarks | None = None

    def edit(self, face: Inversion, direction: Direction, strength: float) -> Edit:
        """Move one face (an inversion of one) by a number of units along a direction, and hold other attributes."""
        return _Session.begin(self, face, direction).search_rounds(lambda _: strength, None)

    def to_smile(self, face: Inversion, direction: Direction, target: float) -> Edit:
        """Move one face until its measured smile is as near as possible to the target.

        A bounded search: steps that double until the target lies between two of them, then between those. It goes
        MOST_SPREADS standard deviations of the latents at most. Where that moved what is to be held, it is led back
        in proportion to the strength, and the smile sought again; the best of these rounds is the result.

        Args:
            direction: along which a smile grows.
            target: in [0, 1].

        Raises:
            DirectionError: another target, or no smile can be measured on the face as it is.
        """
        check_target(target)
        session = _Session.begin(self, face, direction)
        if not np.isfinite(session.measure_smile(0.0)):
            raise DirectionError("no smile can be measured on this face, no landmarks are found; edit by a strength")
        step, most = direction.spread, MOST_SPREADS * direction.spread

        def aim(start: float) -> float:
            begin = start if np.isfinite(session.measure_smile(start)) else 0.0
            return search_strength(session.measure_smile, target, step, most, begin)

        return session.search_rounds(aim, target)


@dataclass
class _Session:
    """Search for the edit of one face, with the picture and readings at each strength tried."""

    editor: LatentEditor
    face: Inversion
    direction: Direction
    before: tuple[Tensor, FaceReading]
    mask: Tensor | None = None
    held: dict[str, Floats] = field(default_factory=dict)
    tried: dict[float, tuple[Tensor, FaceReading]] = field(default_factory=dict)
    path: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def begin(cls, editor: LatentEditor, face: Inversion, direction: Direction) -> _Session:
        if len(face) != 1:
            raise DirectionError(f"{len(face)} faces at once; edit them one by one: inversion[0], inversion[1], …")
        if face.w.shape[-1] != len(direction.vector):
            raise DirectionError(
                f"{direction.name} has {len(direction.vector)} dimensions, the face's latent {face.w.shape[-1]}; "
                "take a direction of the same generator"
            )
        image = render(editor.generator, face.w, face.offsets, face.precision)
        before = image, editor.reader(image)
        mask = None
        if editor.find is not None and face.method == Method.PTI and direction.attribute == SMILE:
            mask = _draw_mask(image, editor.find)
        return cls(editor, face, direction, before, mask, tried={0.0: before}, path=[(0.0, float(before[1].smile[0]))])

    def move_latent(self, strength: float) -> Tensor:
        w = self.direction.move(self.face.w, strength)
        for name, amount in self.held.items():
            w = w + strength * torch.from_numpy(amount).to(w) @ self.editor.patterns[name].to(w)
        if self.mask is None or not self.direction.layers:
            return w
        layers, moved = list(self.direction.layers), self.face.w.clone()
        moved[:, layers] = w[:, layers]
        return moved

    def render_edit(self, strength: float) -> Tensor:
        """Render the moved face; of a local edit, the region alone, with the unedited face around it."""
        image = render(self.editor.generator, self.move_latent(strength), self.face.offsets, self.face.precision)
        return image if self.mask is None else torch.lerp(self.before[0], image, self.mask)

    def measure_smile(self, strength: float) -> float:
        """Measure the smile at a strength; of a local edit, NaN where the face is spoilt, which ends a search."""
        if strength not in self.tried:
            image = self.render_edit(strength)
            read = self.tried[strength] = image, self.editor.reader(image)
            self.path.append((strength, float(read[1].smile[0])))
        if self.mask is not None and any(self.measure_face(strength).list_objections()):
            return math.nan
        return float(self.tried[strength][1].smile[0])

    def measure_face(self, strength: float) -> FaceIntegrity:
        """Measure the integrity of the face at a strength that was tried."""
        (before, was), (image, became) = self.before, self.tried[strength]
        identity = float(np.linalg.norm(became.identity[0] - was.identity[0])) / self.editor.apart
        return measure_integrity(before, image, was, became, identity)

    def hold(self, strength: float) -> bool:
        """Correct attributes that changed but should not have; return whether there were any."""
        changed = find_side_effects(
            self.before[1], self.tried[strength][1], self.direction.attribute, self.editor.apart
        )
        back = {name: amount for name, amount in changed.items() if name in self.editor.patterns}
        for name, amount in back.items():
            self.held[name] = self.held.get(name, 0.0) - amount / strength
        if back:
            self.tried.clear()
        return bool(back)

    def search_rounds(self, aim: Callable[[float], float], target: float | None) -> Edit:
        """Alternate between finding a strength and correcting side effects; return the best edit of all rounds."""
        found: list[tuple[float, Edit]] = []
        strength = 0.0
        for left in reversed(range(_ROUNDS)):
            strength = aim(strength)
            found.append(self.make_edit(strength, target))
            if not left or not strength or not self.hold(strength):
                break
            found.append(self.make_edit(strength, target))
        best = min(found, key=lambda one: (one[1].verdict == "refused", one[0]))[1]
        return replace(best, path=tuple(self.path))

    def make_edit(self, strength: float, target: float | None) -> tuple[float, Edit]:
        """Return the edit at a strength with the current corrections, and its cost."""
        self.measure_smile(strength)
        (before, was), (image, became) = self.before, self.tried[strength]
        w = self.move_latent(strength)
        region = self.editor.region
        distances = tuple(region.distance(latent.mean(dim=1)).item() for latent in (self.face.w, w))
        integrity = self.measure_face(strength)
        done = Edit(
            image=image,
            before=before,
            w=w,
            strength=strength,
            held=dict(self.held),
            smile=(float(was.smile[0]), float(became.smile[0])),
            target=target,
            path=(),
            identity=integrity.identity,
            condition_kept=None if became.condition is None else became.condition == was.condition,
            age_years=float(became.attributes[AGE][0] - was.attributes[AGE][0]) if AGE in became.attributes else None,
            distance=(distances[0], distances[1]),
            integrity=integrity,
            local=self.mask is not None,
            precision=self.face.precision,
        )
        refusals = tuple(done.integrity.list_objections())
        if done.local and not strength and _misses_target(done):
            refusals += ("no strength changes the smile and keeps the face",)
        because = (*refusals, *_list_objections(done, region.limit), *self.direction.flags)
        verdict: Verdict = "refused" if refusals else "doubtful" if because else "good"
        return _compute_cost(done, was, became), replace(done, verdict=verdict, because=because)


def _draw_mask(image: Tensor, find: FindLandmarks) -> Tensor | None:
    """Draw the region of the expression of a face (1, 3, h, h) as (h, h); None if no face is found."""
    landmarks = find(to_uint8(image))[0]
    if np.isnan(landmarks).any():
        return None
    return torch.from_numpy(draw_expression_region(landmarks, image.shape[-1])).to(image)


def find_side_effects(was: FaceReading, now: FaceReading, wanted: str, apart: float) -> dict[str, Floats]:
    """Return the attributes other than the wanted one that changed too far on one face: (k,) by name, in the units of
    `editing.patterns`. Attributes that cannot be read are left out."""
    before, after = scale_attributes(was.attributes), scale_attributes(now.attributes)
    changes = {name: after[name] - before[name] for name in was.measured if name != wanted}
    found = {name: change for name, change in changes.items() if np.abs(change) > HELD_WITHIN}
    identity = now.identity[0] - was.identity[0]
    if np.linalg.norm(identity) > IDENTITY_HELD_WITHIN * apart:
        found[IDENTITY] = identity
    if was.condition is not None and (own := was.condition[0]) != wanted:
        share = now.attributes[own]
        if share < min(CONDITION_KEPT, was.attributes[own][0]):
            others = [name for name in now.conditions if name != own]
            other = max(others, key=lambda name: float(now.attributes[name][0]))
            found |= {own: share - _LED_BACK_TO, other: _LED_BACK_TO - share}
    return found


def _compute_cost(edit: Edit, was: FaceReading, now: FaceReading) -> float:
    """Return the cost of an edit in units of the tolerances; infinite if something cannot be read (NaN)."""
    missed = 0.0 if edit.target is None else max(abs(edit.smile[1] - edit.target) / TOLERANCE - 1, 0.0)
    before, after = scale_attributes(was.attributes), scale_attributes(now.attributes)
    aged = abs(float(after[AGE][0] - before[AGE][0])) / _AGED if AGE in after else 0.0
    cost = _MISSED * missed + edit.identity / IDENTITY_LIMIT + aged + _LOST * (edit.condition_kept is False)
    return cost if np.isfinite(cost) else np.inf


def _misses_target(edit: Edit) -> bool:
    return edit.target is not None and not abs(edit.smile[1] - edit.target) <= TOLERANCE


def _list_objections(edit: Edit, limit: float) -> Iterator[str]:
    """List the reasons to doubt an edit, in words."""
    if edit.target is not None and _misses_target(edit):
        yield f"the smile is {edit.smile[1]:.2f}, asked for {edit.target:.2f}"
    if np.isnan(edit.identity) and edit.integrity.scores is None:
        yield "no face is found any more"
    elif edit.identity > IDENTITY_LIMIT:
        yield f"the identity moved by {edit.identity:.2f} of the distance between people"
    if edit.condition_kept is False:
        yield "another condition is read"
    if edit.distance[1] > max(limit, edit.distance[0]):
        yield f"the latent lies {edit.distance[1]:.1f} deviations out, beyond the generator's {limit:.1f}"


def search_strength(
    measure: Callable[[float], float], target: float, step: float, most: float, start: float = 0.0
) -> float:
    """Search the strength in [-most, most] at which a mostly increasing measure is nearest to a target.

    Steps double until they pass the target, then halve between the last two; strengths where nothing can be measured
    (NaN) count as too far. At most 16 are tried.

    Args:
        measure: of a strength; that of the start is a number.
        step: the first.
        start: where the search begins.
    """
    tried = {start: measure(start)}
    if abs(tried[start] - target) <= TOLERANCE / 2:
        return start
    sign = 1.0 if target > tried[start] else -1.0
    near, far, size = start, None, step
    for _ in range(_EVALUATIONS):
        strength = min(max(start + sign * size, -most), most) if far is None else (near + far) / 2
        value = tried[strength] = measure(strength)
        if abs(value - target) <= TOLERANCE / 2:
            break
        if np.isnan(value) or sign * (value - target) > 0:
            far = strength
        else:
            near = strength
            if far is None and sign * strength >= most:
                break
            size *= 2
    known = {strength: value for strength, value in tried.items() if not np.isnan(value)} or {start: target}
    return min(known, key=lambda strength: abs(known[strength] - target))
