from __future__ import annotations

import itertools

import pytest
import torch

from gen.training import recipe
from gen.training.recipe import fastest_precision


@pytest.mark.parametrize(("matrix_units", "vectors", "expected"), [(True, True, "bfloat16"), (False, False, "float32")])
def test_a_processor_trains_in_what_it_has_units_for(
    monkeypatch: pytest.MonkeyPatch, matrix_units: bool, vectors: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: matrix_units)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: vectors)
    assert fastest_precision(torch.device("cpu")) == expected


@pytest.mark.parametrize(("pays", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_vectors_for_bfloat16_are_tried_out(monkeypatch: pytest.MonkeyPatch, pays: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    clock = itertools.accumulate(itertools.cycle([0.0, 2.0 if pays else 1.0, 0.0, 1.0 if pays else 2.0]))
    monkeypatch.setattr(recipe.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(recipe.F, "conv2d", lambda x, kernel, padding: x + 0)  # slow in bfloat16 by conversion
    assert fastest_precision(torch.device("cpu")) == expected
