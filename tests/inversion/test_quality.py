from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import ConfigError
from faces.images import Pixels
from inversion.quality import SAME_PERSON, Judge, Quality, QualityLimits
from inversion.similarity import mean_square
from tests.inversion.tiny import some_faces


def held_out() -> list[Quality]:
    return [Quality(l2=0.01 + 0.0001 * i, ms_ssim=0.99 - 0.001 * i, identity=0.9) for i in range(101)]


def test_limits_are_those_of_held_out_faces() -> None:
    limits = QualityLimits.of(held_out())
    assert limits.good["l2"] == pytest.approx(0.0195)
    assert limits.worst["l2"] == pytest.approx(0.02)
    assert limits.good["ms_ssim"] == pytest.approx(0.895)
    assert limits.worst["ms_ssim"] == pytest.approx(0.89)
    assert limits.faces == 101
    assert QualityLimits.from_json(limits.to_json()) == limits
    with pytest.raises(ConfigError, match="19 held-out faces"):
        QualityLimits.of(held_out()[:19])


@pytest.mark.parametrize(
    ("measures", "verdict", "because"),
    [
        ({"l2": 0.011, "ms_ssim": 0.95, "identity": 0.95}, "good", ()),
        ({"l2": 0.0199, "ms_ssim": 0.95}, "doubtful", ("l2",)),
        ({"l2": 0.0199, "ms_ssim": 0.5}, "out of domain", ("ms_ssim",)),
        (
            {"l2": 0.011, "ms_ssim": 0.95, "identity": SAME_PERSON - 0.01},
            "doubtful",
            ("identity",),
        ),  # as held out, yet another
        ({"l2": 0.011, "ms_ssim": 0.95, "identity": float("nan")}, "out of domain", ("identity",)),
        ({"l2": 0.011, "perceptual": 9.0}, "good", ()),
    ],
)
def test_the_verdict_names_what_led_to_it(measures: dict[str, float], verdict: str, because: tuple[str, ...]) -> None:
    assert QualityLimits.of(held_out()).judge(measures) == (verdict, because)


def describe(images: Pixels) -> np.ndarray:
    """Two numbers of the colour; a dark picture has no face."""
    means = images.reshape(len(images), -1, 3).mean(axis=1)[:, :2] - 100
    return np.where(images.reshape(len(images), -1).mean(axis=1)[:, None] < 5, np.nan, means)


def test_each_face_is_measured() -> None:
    target = some_faces(3)
    made = (target + 0.1).clamp(-1, 1)
    target[1], made[2] = -1, -1
    one, without_face, lost = Judge(describe=describe, limits=QualityLimits.of(held_out()))(made, target)
    assert one.l2 == pytest.approx(mean_square(made[:1], target[:1]).item())
    assert one.ms_ssim is not None
    assert 0 < one.ms_ssim < 1
    assert one.identity is not None
    assert -1 <= one.identity <= 1
    assert without_face.identity is None
    assert lost.identity is None
    assert "identity" in lost.because
    assert lost.verdict == "out of domain"


def test_without_limits_there_is_no_verdict() -> None:
    (quality,) = Judge()(some_faces(1), some_faces(1))
    assert (quality.l2, quality.verdict, quality.because) == (0, None, ())
    (small,) = Judge()(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    assert small.ms_ssim is None
