from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.errors import ConfigError
from inversion.methods import SEARCH_STEPS, TUNING_STEPS, InversionMethod, Method, choose_method
from inversion.quality import Judge
from tests.inversion.tiny import shared_inverter, some_faces, tiny_generator


@pytest.mark.parametrize(
    ("method", "planned", "bent"),
    [("encoder", 0, False), ("hyperstyle", 0, True), ("w", 2, False), ("w+", 2, False), ("pti", 2, True)],
)
def test_every_method_inverts_and_tells_its_steps(method: str, planned: int, bent: bool) -> None:
    inverter = shared_inverter()
    by = InversionMethod(inverter.generator, inverter, Judge(), Method(method), passes=1, steps=2)
    told: list[int] = []
    found = by(some_faces(1), lambda made, steps, loss: told.append(made))
    assert (found.method, bool(found.offsets)) == (method, bent)
    assert len(told) == by.steps_planned == planned
    assert len(found.quality) == 1
    assert found.reconstruction.shape == (1, 3, 64, 64)


def test_optimisation_needs_no_inverter_and_begins_with_its_latent_where_there_is_one() -> None:
    inverter = shared_inverter()
    by_itself, begun = (
        InversionMethod(inverter.generator, start, Judge(), Method.W, steps=1)(some_faces(1)).w
        for start in (None, inverter)
    )
    encoded = inverter.encode(some_faces(1))
    assert (begun - encoded).abs().max() < 0.1 < (by_itself - encoded).abs().max()


def test_tuning_goes_on_from_the_inverter_and_searches_a_pivot_without_one() -> None:
    inverter, face = shared_inverter(), some_faces(1)
    fast = inverter.invert(face, 1)
    by = InversionMethod(inverter.generator, inverter, Judge(), Method.PTI, passes=1, steps=1)
    tuned = by(face)
    assert torch.equal(tuned.w, fast.w)
    for name, offset in fast.offsets.items():
        torch.testing.assert_close(tuned.offsets[name], offset, atol=0.02, rtol=0)
    alone = replace(by, inverter=None)
    assert alone.steps_planned == 2
    assert replace(alone, steps=None).steps_planned == SEARCH_STEPS + TUNING_STEPS
    assert not torch.equal(alone(face).w, fast.w)


def test_what_is_usual_follows_from_the_inverter() -> None:
    assert choose_method(shared_inverter()) is Method.HYPERSTYLE
    assert choose_method(shared_inverter(), exact=True) is Method.PTI
    assert choose_method(None) is Method.PTI


@pytest.mark.parametrize("method", [Method.ENCODER, Method.HYPERSTYLE])
def test_a_method_without_its_inverter_is_refused(method: Method) -> None:
    with pytest.raises(ConfigError, match=f"--method {method} needs --inverter"):
        InversionMethod(tiny_generator(), None, Judge(), method)


def test_seconds_end_an_optimisation() -> None:
    by = InversionMethod(tiny_generator(), None, Judge(), Method.W, steps=1000, seconds=1e-6)
    found = by(some_faces(1))
    assert found.steps == (1,)
    assert torch.isfinite(found.w).all()


@pytest.mark.parametrize(
    ("method", "expected"), [("hyperstyle", "bfloat16"), ("encoder", "bfloat16"), ("w", "float32")]
)
def test_networks_follow_the_hardware_and_optimisation_is_in_float32(
    monkeypatch: pytest.MonkeyPatch, method: str, expected: str
) -> None:
    monkeypatch.setattr("core.precision.is_bfloat16_faster", lambda: True)
    inverter = shared_inverter()
    by = InversionMethod(inverter.generator, inverter, Judge(), Method(method), passes=1, steps=1, precision="auto")
    assert by(some_faces(1)).precision == by.settled_precision == expected


def test_an_optimisation_in_bfloat16_is_refused() -> None:
    with pytest.raises(ConfigError, match="precision bfloat16 with method pti, which optimises in float32; take auto"):
        InversionMethod(tiny_generator(), None, Judge(), Method.PTI, precision="bfloat16")
