"""Quality of inversions, as figures and as a verdict by limits from held-out faces and by floors for any inverter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

import numpy as np
from torch import Tensor

from core import tensor_files
from core.errors import ConfigError
from faces.images import to_uint8
from gen import checkpoint
from inversion.agreement import Look, ReadByJudges, Values, compare_faces, compare_judgements
from inversion.config import UNJUDGED
from inversion.facial_features import compare_eyes
from inversion.similarity import LEAST_PX, Perceptual, mean_square, ms_ssim

Verdict: TypeAlias = Literal["good", "doubtful", "out of domain"]

HIGHER_IS_BETTER: Final = {
    "l2": False,
    "ms_ssim": True,
    "perceptual": False,
    "identity": True,
    "landmarks": False,
    "smile": False,
    "sharpness": True,
    "eyes": True,
    "happy": False,
    "age_years": False,
}
"""The measures, and which way they point."""

_RELATIVE: Final = ("l2", "ms_ssim", "perceptual", "identity")
"""Measures that limits are taken of; of the others a good inverter has no more than floors allow."""

SAME_PERSON: Final = 0.92
"""Cosine of two of dlib's descriptors that are 0.6 apart, which is as far as dlib takes them for one person (King
2017); on portraits of 128 px they are 1.47 long, and of pairs of different people 95 % lie below 0.912. An inversion
below it is never good, whatever the held-out faces reach."""

_SEVERITY: Final[tuple[Verdict, ...]] = ("good", "doubtful", "out of domain")

_LEAST_FACES: Final = 20

_ROUNDING: Final = 1e-3
"""Relative difference of a measure that is no difference."""

GOOD_SHARE: Final = 0.95
"""Share of the held-out faces that lie within the limit of "good" in each measure."""


@dataclass(frozen=True)
class Quality:
    """Quality of the reconstruction of one face.

    Attributes:
        l2: mean squared error of the pixels in [-1, 1].
        ms_ssim: multi-scale structural similarity, 1 for equal pictures; None for pictures too small for it.
        perceptual: distance of features, 0 for equal pictures; None where no network for it is at hand.
        identity: cosine of dlib's face descriptors, 1 for the same; None where none was asked for or no face found.
        landmarks, smile, sharpness: see `inversion.agreement.compare_faces`; None as of identity.
        eyes: structural similarity of the eye that differs more (`inversion.facial_features.compare_eyes`); a clouded
            or smeared eye lowers it.
        happy, age_years: see `inversion.agreement.compare_judgements`; None where there is no such judge.
        verdict: None where no limits are known, and no floor is missed.
        because: the measures that led to a verdict other than "good".
    """

    l2: float
    ms_ssim: float | None = None
    perceptual: float | None = None
    identity: float | None = None
    landmarks: float | None = None
    smile: float | None = None
    sharpness: float | None = None
    eyes: float | None = None
    happy: float | None = None
    age_years: float | None = None
    verdict: Verdict | None = None
    because: tuple[str, ...] = ()

    @property
    def verdict_text(self) -> str:
        """The verdict, or "unjudged"."""
        return self.verdict or UNJUDGED

    def measures(self) -> dict[str, float]:
        """Return the measured values by name."""
        return {name: value for name in HIGHER_IS_BETTER if (value := getattr(self, name)) is not None}


@dataclass(frozen=True)
class QualityLimits:
    """Limits of verdicts, from the quality of held-out faces that inverter and generator were not trained on.

    Attributes:
        good: by measure, the value that 95 % of the held-out faces reach; an inversion that reaches all is good. That
            of the identity is SAME_PERSON at least.
        worst: by measure, the worst held-out value; an inversion worse than that in any is out of domain.
        faces: how many were held out.
    """

    good: Mapping[str, float]
    worst: Mapping[str, float]
    faces: int

    @classmethod
    def of(cls, held_out: Sequence[Quality]) -> Self:
        """Compute limits from inversions of held-out faces; measures that fewer than 20 of them have are left out.

        Raises:
            ConfigError: fewer than 20 faces.
        """
        if len(held_out) < _LEAST_FACES:
            raise ConfigError(f"{len(held_out)} held-out faces; expected {_LEAST_FACES} or more to set limits by")
        good, worst = {}, {}
        for name in _RELATIVE:
            higher = HIGHER_IS_BETTER[name]
            values = [value for face in held_out if (value := getattr(face, name)) is not None]
            if len(values) >= _LEAST_FACES:
                good[name] = float(np.quantile(values, 1 - GOOD_SHARE if higher else GOOD_SHARE))
                worst[name] = min(values) if higher else max(values)
        if "identity" in good:
            good["identity"] = max(good["identity"], SAME_PERSON)
        return cls(good, worst, len(held_out))

    def judge(self, measures: Mapping[str, float]) -> tuple[Verdict, tuple[str, ...]]:
        """Return the verdict on some measures, and the measures that led to it.

        A face that dlib finds in the photograph but not in the reconstruction has lost what makes it one: identity
        NaN is out of domain.
        """
        beyond, doubtful = [], []
        for name, value in measures.items():
            if name not in self.good:
                continue
            sign = 1 if HIGHER_IS_BETTER[name] else -1
            # The same face measured again, in another batch, differs by rounding.
            if not sign * value >= sign * self.worst[name] - _ROUNDING * abs(self.worst[name]):
                beyond.append(name)
            elif not sign * value >= sign * self.good[name]:
                doubtful.append(name)
        if beyond:
            return "out of domain", tuple(beyond)
        return ("doubtful", tuple(doubtful)) if doubtful else ("good", ())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(dict(data["good"]), dict(data["worst"]), data["faces"])


def read_tuning_limits(generator: Path) -> QualityLimits | None:
    """Read the limits for pivotal tuning that a generator's checkpoint holds; None if it holds none.

    Raises:
        CheckpointError: no such file, a damaged one, or limits that are none.
    """
    stored = checkpoint.read_info(generator).tuning_limits
    with tensor_files.refuse_malformed_header(generator, "a network's checkpoint"):
        return None if stored is None else QualityLimits.from_json(stored)


FLOORS: Final = QualityLimits(
    good={
        "identity": SAME_PERSON,
        "landmarks": 0.06,
        "smile": 0.15,
        "sharpness": 0.65,
        "eyes": 0.92,
        "happy": 0.5,
        "age_years": 15.0,
    },
    worst={
        "identity": 0.84,
        "landmarks": 0.11,
        "smile": 0.4,
        "sharpness": 0.45,
        "eyes": 0.75,
        "happy": 1.0,
        "age_years": math.inf,
    },
    faces=60,
)
"""Floors of the verdict on photographs for any inverter, chosen on 60 portraits: see docs/inversion.md. A judge alone
makes a face doubtful, never out of domain."""


@dataclass(frozen=True)
class Judge:
    """Measures inversions.

    Args:
        perceptual: distance of features; None leaves it out.
        look: finds faces; None leaves identity, landmarks and smile out, which take half a second a face.
        limits: of this inverter; None where none were measured.
        floors: that hold for any inverter, FLOORS for photographs; None for drawings, which dlib reads badly.
        read: readings of independent judges; None where there are none.
    """

    perceptual: Perceptual | None = None
    look: Look | None = None
    limits: QualityLimits | None = None
    floors: QualityLimits | None = None
    read: ReadByJudges | None = None

    def __call__(self, reconstruction: Tensor, target: Tensor) -> tuple[Quality, ...]:
        """Measure the quality of each reconstruction (n, 3, h, h) of its target (n, 3, h, h)."""
        shown = reconstruction.clamp(-1, 1)
        measures: dict[str, Values] = {"l2": mean_square(shown, target).tolist()}
        measures["eyes"] = compare_eyes(shown, target).tolist()
        if target.shape[2] >= LEAST_PX:
            measures["ms_ssim"] = ms_ssim(shown, target).tolist()
        if self.perceptual is not None:
            measures["perceptual"] = self.perceptual(shown, target).tolist()
        pixels = to_uint8(target), to_uint8(shown)
        if self.look is not None:
            measures |= compare_faces(*pixels, self.look)
        if self.read is not None:
            measures |= compare_judgements(*pixels, self.read)
        return tuple(self._quality({name: values[i] for name, values in measures.items()}) for i in range(len(target)))

    def _quality(self, measures: Mapping[str, float | None]) -> Quality:
        known = {name: value for name, value in measures.items() if value is not None}
        verdict, because = self._judge(known)
        finite = {name: value for name, value in known.items() if np.isfinite(value)}
        return Quality(**finite, verdict=verdict, because=because)

    def _judge(self, measures: Mapping[str, float]) -> tuple[Verdict | None, tuple[str, ...]]:
        """Return the worse verdict of limits and floors; floors alone can speak against a face, and not for it.

        A photograph on which no face is found is doubtful: nothing can be compared.
        """
        judged = [known.judge(measures) for known in (self.limits, self.floors) if known is not None]
        if self.floors is not None and self.look is not None and "identity" not in measures:
            judged.append(("doubtful", ("identity",)))
        worst = max((verdict for verdict, _ in judged), key=_SEVERITY.index, default=None)
        because = dict.fromkeys(name for verdict, names in judged if verdict == worst for name in names)
        return None if self.limits is None and worst == "good" else worst, tuple(because)
