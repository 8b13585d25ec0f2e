"""Edit of the smile of one photograph by a warp of its reconstruction, with its side effects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor

from core.errors import DirectionError
from editing.face_integrity import FaceIntegrity, measure_integrity
from editing.face_readers import FaceReading, FindLandmarks, Reader
from editing.latent_editor import IDENTITY_LIMIT, TOLERANCE, Edit, Verdict, check_target
from editing.warp.expression_model import OPENING_WEIGHT, ExpressionModel, measure_lift
from editing.warp.face_warp import warp_face
from faces.align import Points
from faces.expression import CALIBRATED
from faces.images import to_uint8
from gen.networks import Generator
from inversion.latent_region import LatentRegion
from inversion.result import Inversion, render

MOST_LIFT: Final = 0.95
"""Largest lift that is added or removed: beyond it mouths look drawn on."""

_ROUNDS: Final = 4
_STEP: Final = 0.8
"""Share of the remaining distance to the target that each further round goes, or of a lift that spoils the face."""


@dataclass(frozen=True)
class WarpEditor:
    """Moves the landmarks of faces, and the pixels with them, until a smile is measured.

    The face is the one that an inversion reproduces, at its own latent. A mouth that is open closes on the way to rest;
    one that is closed stays closed, since no teeth are generated.

    Args:
        generator: of the faces.
        reader: measures the faces.
        find: landmarks of faces.
        apart: mean distance between different people, as the reader reads them.
        region: where the generator's latents lie.
        model: of the expression.
    """

    generator: Generator
    reader: Reader
    find: FindLandmarks
    apart: float
    region: LatentRegion
    model: ExpressionModel

    def to_smile(self, face: Inversion, target: float) -> Edit:
        """Warp one face until its measured smile is as near as possible to the target.

        Args:
            face: inversion of one face.
            target: in [0, 1].

        Raises:
            DirectionError: another target, more faces than one, or no landmarks are found on the face as it is.
        """
        check_target(target)
        if len(face) != 1:
            raise DirectionError(f"{len(face)} faces at once; edit them one by one: inversion[0], inversion[1], …")
        before = render(self.generator, face.w, face.offsets, face.precision)
        search = _WarpSearch.begin(self, before)
        lift = search.find_lift(target)
        return self._make_edit(face, search, lift, target)

    def _make_edit(self, face: Inversion, search: _WarpSearch, lift: float, target: float) -> Edit:
        (before, was), (image, became) = search.tried[0.0], search.tried[lift]
        distance = self.region.distance(face.w.mean(dim=1)).item()
        smile = float(was.smile[0]), float(became.smile[0])
        integrity = search.measure_face(lift)
        refusals = tuple(integrity.list_objections())
        if not lift and not abs(smile[1] - target) <= TOLERANCE:
            refusals += ("no strength changes the smile and keeps the face",)
        because = (*refusals, *_list_doubts(smile[1], target, integrity))
        verdict: Verdict = "refused" if refusals else "doubtful" if because else "good"
        return Edit(
            image=image,
            before=before,
            w=face.w,
            strength=lift,
            held={},
            smile=smile,
            target=target,
            path=tuple((tried, float(read.smile[0])) for tried, (_, read) in search.tried.items()),
            identity=integrity.identity,
            condition_kept=None,
            age_years=None,
            distance=(distance, distance),
            integrity=integrity,
            local=True,
            verdict=verdict,
            because=because,
            precision=face.precision,
            applied="warp",
        )


@dataclass
class _WarpSearch:
    """Search for the lift of one face, with the picture and readings at each lift tried."""

    editor: WarpEditor
    landmarks: Points
    tried: dict[float, tuple[Tensor, FaceReading]] = field(default_factory=dict)

    @classmethod
    def begin(cls, editor: WarpEditor, before: Tensor) -> _WarpSearch:
        landmarks = editor.find(to_uint8(before))[0]
        reading = editor.reader(before)
        if not (np.isfinite(landmarks).all() and np.isfinite(reading.smile[0])):
            raise DirectionError("no smile can be measured on this face, no landmarks are found; edit its latent")
        return cls(editor, landmarks, {0.0: (before, reading)})

    def find_lift(self, target: float) -> float:
        """Try lifts, and return the one whose face is whole and nearest to the target; 0 if there is none."""
        smile = float(CALIBRATED.raw(self.landmarks)[0])
        if abs(float(np.clip(smile, 0, 1)) - target) <= TOLERANCE:
            return 0.0
        opening = measure_lift(self.landmarks)[1]
        after = min(opening, 0.0) if target < smile else opening
        lift = target - smile - OPENING_WEIGHT * (after - opening)
        for _ in range(_ROUNDS):
            lift = float(np.clip(lift, -MOST_LIFT, MOST_LIFT))
            if lift in self.tried:
                break
            reached = self.try_lift(lift, after)
            if any(self.measure_face(lift).list_objections()):
                lift *= _STEP
            elif not math.isfinite(reached) or abs(reached - target) <= TOLERANCE / 2:
                break
            else:
                lift += _STEP * (target - reached)
        whole = [lift for lift in self.tried if not any(self.measure_face(lift).list_objections())] or [0.0]
        return min(whole, key=lambda lift: abs(float(self.tried[lift][1].smile[0]) - target))

    def try_lift(self, lift: float, opening: float) -> float:
        """Warp and read the face; return its smile, NaN where no landmarks are found."""
        before = self.tried[0.0][0]
        picture = ((before[0].permute(1, 2, 0).float() + 1) * 127.5).cpu().numpy()
        warped = warp_face(picture, self.landmarks, self.editor.model, lift, opening) / 127.5 - 1
        image = torch.from_numpy(warped).permute(2, 0, 1)[None].to(before)
        reading = self.editor.reader(image)
        self.tried[lift] = image, reading
        return float(reading.smile[0])

    def measure_face(self, lift: float) -> FaceIntegrity:
        """Measure the integrity of the face at a lift that was tried."""
        (before, was), (image, became) = self.tried[0.0], self.tried[lift]
        identity = float(np.linalg.norm(became.identity[0] - was.identity[0])) / self.editor.apart
        return measure_integrity(before, image, was, became, identity)


def _list_doubts(smile: float, target: float, integrity: FaceIntegrity) -> Iterator[str]:
    if not abs(smile - target) <= TOLERANCE:
        yield f"the smile is {smile:.2f}, asked for {target:.2f}"
    if integrity.identity > IDENTITY_LIMIT:
        yield f"the identity moved by {integrity.identity:.2f} of the distance between people"
