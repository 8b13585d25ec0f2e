from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import ConfigError
from faces.images import Pixels, to_tensor
from faces.measures.descriptors import DetectedFaces
from faces.measures.judges import JudgeReading
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from inversion.quality import FLOORS, SAME_PERSON, Judge, Quality, QualityLimits
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


def look(images: Pixels) -> DetectedFaces:
    """Two numbers of the colour describe a face, brightness is the width of its mouth; a dark picture has no face."""
    means = images.reshape(len(images), -1, 3).mean(axis=1)
    dark = means.mean(axis=1) < 5
    landmarks = np.repeat(draw_phantom(nth_phantom(3, 0), 64).landmarks[None], len(images), axis=0)
    landmarks[:, 48, 0] -= means.mean(axis=1) / 10
    return DetectedFaces(
        np.where(dark[:, None, None], np.nan, landmarks),
        np.where(dark[:, None], np.nan, means[:, :2] - 100),
        np.where(dark, np.nan, 1.0),
    )


def read_brightness(images: Pixels) -> list[JudgeReading]:
    return [JudgeReading(happy=float(image.mean()) / 255) for image in images]


def test_each_face_is_measured() -> None:
    target = some_faces(3)
    made = (target + 0.1).clamp(-1, 1)
    target[1], made[2] = -1, -1
    one, without_face, lost = Judge(look=look, limits=QualityLimits.of(held_out()))(made, target)
    assert one.l2 == pytest.approx(mean_square(made[:1], target[:1]).item())
    assert one.ms_ssim is not None
    assert 0 < one.ms_ssim < 1
    assert one.identity is not None
    assert -1 <= one.identity <= 1
    assert one.landmarks is not None
    assert one.landmarks > 0
    assert (without_face.identity, without_face.landmarks, without_face.smile) == (None, None, None)
    assert lost.identity is None
    assert "identity" in lost.because
    assert lost.verdict == "out of domain"


FAR = QualityLimits(good={"landmarks": 0.0, "happy": 0.0}, worst={"landmarks": 9.0, "happy": 1.0}, faces=60)


def test_floors_and_judges_speak_against_a_face_whatever_the_limits_say_and_never_for_it() -> None:
    target = some_faces(1)
    made = (target + 0.1).clamp(-1, 1)
    easy = QualityLimits({"l2": 1.0}, {"l2": 2.0}, 20)
    judge = Judge(look=look, limits=easy, floors=FAR, read=read_brightness)
    (quality,) = judge(made, target)
    assert (quality.verdict, quality.because) == ("doubtful", ("landmarks", "happy"))
    assert quality.happy == pytest.approx(0.05, abs=0.02)
    assert judge(target, target)[0].verdict == "good"
    (unjudged,) = replace(judge, limits=None)(target, target)
    assert unjudged.verdict is None
    assert replace(judge, limits=None)(made, target)[0].verdict == "doubtful"
    strict = QualityLimits({"l2": 0.0}, {"l2": 0.0}, 20)
    (both,) = replace(judge, limits=strict)(made, target)
    assert (both.verdict, both.because) == ("out of domain", ("l2",))


def test_a_reconstruction_without_a_face_misses_the_floors() -> None:
    target = some_faces(1)
    (lost,) = Judge(look=look, floors=FLOORS)(torch.full_like(target, -1), target)
    assert lost.verdict == "out of domain"
    assert set(lost.because) == {"identity", "landmarks", "smile", "sharpness", "eyes"}


def test_a_clouded_eye_is_doubtful_and_named() -> None:
    target = to_tensor(draw_phantom(nth_phantom(3, 0), 128).image)
    made = target.clone()
    made[:, :, 56:66, 38:58] = target[:, :, 56:66, 38:58].mean(dim=(2, 3), keepdim=True)
    judge = Judge(limits=QualityLimits({}, {}, 20), floors=FLOORS)
    (clouded,), (whole,) = judge(made, target), judge(target, target)
    assert clouded.verdict != "good"
    assert clouded.because == ("eyes",)
    assert (whole.verdict, whole.eyes) == ("good", pytest.approx(1))


def test_a_photograph_on_which_no_face_is_found_is_doubtful() -> None:
    dark = torch.full_like(some_faces(1), -1)
    (quality,) = Judge(look=look, limits=QualityLimits({}, {}, 20), floors=FLOORS)(dark, dark)
    assert (quality.verdict, quality.because) == ("doubtful", ("identity",))


def test_without_limits_there_is_no_verdict() -> None:
    (quality,) = Judge()(some_faces(1), some_faces(1))
    assert (quality.l2, quality.verdict, quality.because) == (0, None, ())
    (small,) = Judge()(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    assert small.ms_ssim is None
