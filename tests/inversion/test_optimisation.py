from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
import torch

from core.errors import ConfigError
from inversion.facial_features import compare_features
from inversion.latent_region import LatentRegion, sample_latents
from inversion.optimisation import PIVOT_SEARCH, ProjectionConfig, TuningConfig, find_pivot, project, tune
from inversion.result import Inversion
from inversion.similarity import mean_square
from tests.inversion.tiny import some_faces, tiny_generator


def error(inversion: Inversion, target: torch.Tensor) -> torch.Tensor:
    return mean_square(inversion.reconstruction, target)


def test_projection_finds_faces_of_the_generator_itself() -> None:
    target, generator = some_faces(2), tiny_generator()
    short, long = (project(generator, target, ProjectionConfig(steps=steps)) for steps in (1, 60))
    assert (error(long, target) < 0.5 * error(short, target)).all()
    assert long.method == "w"
    assert long.steps == (60, 60)
    assert torch.equal(long.w, long.w[:, :1].expand_as(long.w)), "in W all layers share one latent"
    assert not long.offsets


def test_w_plus_is_nearer_than_w() -> None:
    target, generator = some_faces(2).flip(3), tiny_generator()
    w, w_plus = (project(generator, target, ProjectionConfig(space, steps=60)) for space in ("w", "w+"))  # type: ignore[arg-type]
    assert (error(w_plus, target) < error(w, target)).all()
    assert not torch.equal(w_plus.w, w_plus.w[:, :1].expand_as(w_plus.w))


def test_tuning_bends_kernels_and_keeps_the_pivot() -> None:
    target, generator = some_faces(2).flip(3), tiny_generator()
    pivot = project(generator, target, ProjectionConfig(steps=30))
    weights = {name: value.clone() for name, value in generator.state_dict().items()}
    tuned = tune(generator, target, pivot.w, TuningConfig(steps=40, learning_rate=0.01))
    assert (error(tuned, target) < 0.7 * error(pivot, target)).all()
    assert torch.equal(tuned.w, pivot.w)
    assert set(tuned.offsets) == set(generator.kernel_shapes)
    assert all(torch.equal(weights[name], value) for name, value in generator.state_dict().items())


def test_the_weight_of_their_structure_brings_eyes_and_mouth_nearer() -> None:
    target, generator = some_faces(2).flip(3), tiny_generator()
    pivot = project(generator, target, ProjectionConfig(steps=30)).w
    without, with_it = (
        compare_features(
            tune(generator, target, pivot, TuningConfig(40, similarity_weight=weight)).reconstruction, target
        )
        for weight in (0.0, 0.4)
    )
    assert (with_it.mean(dim=1) > without.mean(dim=1) + 0.01).all()


def test_a_pivot_reproduces_a_face_and_lies_among_the_latents_of_the_generator() -> None:
    target, generator = some_faces(2).flip(3), tiny_generator()
    region = LatentRegion.of(sample_latents(generator, 2000, 1)[0])
    near, far = (find_pivot(generator, target, replace(PIVOT_SEARCH, steps=steps)) for steps in (1, 40))
    assert torch.equal(far, far[:, :1].expand_as(far))
    assert (region.distance(far[:, 0]) < 1.1 * math.sqrt(generator.config.w_dim)).all()
    assert (mean_square(generator.synthesize(far), target) < mean_square(generator.synthesize(near), target)).all()


def test_tuning_begins_with_offsets_that_are_given() -> None:
    target, generator = some_faces(1).flip(3), tiny_generator()
    pivot = generator.mapping.w_avg.expand(1, generator.config.num_ws, -1)
    first = tune(generator, target, pivot, TuningConfig(steps=20))
    on = tune(generator, target, pivot, TuningConfig(steps=1, learning_rate=1e-6), start=first.offsets)
    torch.testing.assert_close(on.reconstruction, first.reconstruction, atol=1e-3, rtol=0)


def test_faces_of_a_batch_do_not_influence_each_other() -> None:
    target, generator = some_faces(2), tiny_generator()
    pivot = generator.mapping.w_avg.expand(2, generator.config.num_ws, -1)
    config = TuningConfig(steps=5)
    both, alone = tune(generator, target, pivot, config), tune(generator, target[1:], pivot[1:], config)
    torch.testing.assert_close(both.reconstruction[1:], alone.reconstruction, atol=1e-4, rtol=0)


def test_a_seed_says_it_all() -> None:
    target, generator = some_faces(1), tiny_generator()
    config = ProjectionConfig(steps=3)
    one, same, other = (project(generator, target, config, seed=seed).w for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_progress_is_told_and_time_is_kept() -> None:
    target, generator, told = some_faces(1), tiny_generator(), []
    began = time.monotonic()
    inversion = project(
        generator,
        target,
        ProjectionConfig(steps=100_000, seconds=1),
        on_step=lambda step, steps, loss: told.append((step, steps, loss)),
    )
    assert time.monotonic() - began < 20
    assert inversion.steps == (len(told),)
    assert [step for step, _, _ in told] == list(range(1, len(told) + 1))
    assert {steps for _, steps, _ in told} == {100_000}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"space": "z"}, "space is 'z'; expected 'w' or 'w\\+'"),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"seconds": 0.0}, "seconds is 0.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        ProjectionConfig(**settings)  # type: ignore[arg-type]
