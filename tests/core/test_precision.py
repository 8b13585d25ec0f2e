from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from core.errors import ConfigError
from core.precision import automatic_precision, resolve_precision


@pytest.mark.parametrize(("matrix_units", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_processor_renders_in_what_it_has_matrix_units_for(
    monkeypatch: pytest.MonkeyPatch, matrix_units: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: matrix_units)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)  # which alone does not pay
    assert automatic_precision("cpu") == resolve_precision("auto", torch.device("cpu")) == expected


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_too_and_emulation_does_not_count(
    monkeypatch: pytest.MonkeyPatch, supported: bool, expected: str
) -> None:
    asked = []

    def device(which: torch.device) -> nullcontext[None]:
        asked.append(which)
        return nullcontext()

    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: not supported)
    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or supported
    )
    assert automatic_precision("cuda:1") == expected
    assert asked == [torch.device("cuda:1")]


def test_other_devices_take_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert automatic_precision("meta") == "float32"


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for matrix_units in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda found=matrix_units: found)
        assert resolve_precision(name, "cpu") == name


def test_another_name_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="precision is 'float16'; expected one of auto, float32, bfloat16: auto takes"
    ):
        resolve_precision("float16", "cpu")
