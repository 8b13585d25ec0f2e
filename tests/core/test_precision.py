from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from core.errors import ConfigError
from core.precision import (
    Precision,
    Processor,
    automatic_precision,
    decide_bfloat16,
    inspect_processor,
    is_bfloat16_faster,
    measure_precisions,
    resolve_precision,
    resolve_training_precision,
)

VECTORS = Processor("a processor", has_bfloat16=True, has_matrix_units=False)
"""A processor with vector instructions alone for bfloat16."""


class Measurement:
    """Measures what it is told, and counts how often it was asked."""

    def __init__(self, float32: float, bfloat16: float) -> None:
        self.seconds: dict[Precision, float] = {"float32": float32, "bfloat16": bfloat16}
        self.count = 0

    def __call__(self) -> Mapping[Precision, float]:
        self.count += 1
        return self.seconds


@pytest.mark.parametrize(("faster", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_processor_infers_in_the_faster_precision(
    monkeypatch: pytest.MonkeyPatch, faster: bool, expected: str
) -> None:
    monkeypatch.setattr("core.precision.is_bfloat16_faster", lambda: faster)
    assert automatic_precision("cpu") == resolve_precision("auto", torch.device("cpu")) == expected


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (Processor("old", has_bfloat16=False, has_matrix_units=False), False),
        (Processor("new", has_bfloat16=True, has_matrix_units=True), True),
    ],
)
def test_processors_without_bfloat16_and_with_matrix_units_are_not_measured(
    tmp_path: Path, processor: Processor, expected: bool
) -> None:
    measure = Measurement(1, 1)
    assert decide_bfloat16(processor, tmp_path / "precision.json", measure) is expected
    assert measure.count == 0


@pytest.mark.parametrize(("bfloat16", "expected"), [(0.5, True), (0.97, False), (2.0, False)])
def test_vector_instructions_are_measured_once_for_a_machine(tmp_path: Path, bfloat16: float, expected: bool) -> None:
    file, measure = tmp_path / "cache" / "precision.json", Measurement(1, bfloat16)
    assert decide_bfloat16(VECTORS, file, measure) is expected
    opposite = Measurement(bfloat16, 1)
    assert decide_bfloat16(VECTORS, file, opposite) is expected
    assert (measure.count, opposite.count) == (1, 0)
    other = Processor("another processor", has_bfloat16=True, has_matrix_units=False)
    assert decide_bfloat16(other, file, Measurement(1, 0.1)) is True
    assert len(json.loads(file.read_text())) == 2
    assert [entry.name for entry in file.parent.iterdir()] == ["precision.json"]


def test_another_version_of_openvino_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "precision.json"
    assert decide_bfloat16(VECTORS, file, Measurement(1, 0.5))
    monkeypatch.setattr("core.precision.version", lambda package: "9999.1")
    assert not decide_bfloat16(VECTORS, file, Measurement(1, 2))
    assert any("9999.1" in key for key in json.loads(file.read_text()))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a processor": 3}', b'{"a processor": {"float32": "x"}}'])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    file, measure = tmp_path / "precision.json", Measurement(1, 0.5)
    file.write_bytes(content)
    assert decide_bfloat16(VECTORS, file, measure)
    assert decide_bfloat16(VECTORS, file, measure)
    assert measure.count == 1


def test_a_folder_that_cannot_be_written_only_costs_a_measurement(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"a file where the folder would be")
    for file in (None, tmp_path / "taken" / "precision.json"):
        assert decide_bfloat16(VECTORS, file, Measurement(1, 0.5))


def test_the_hardware_of_this_machine_is_inspected_and_can_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    processor = inspect_processor()
    assert processor.name
    assert processor.has_bfloat16 or not processor.has_matrix_units
    assert all(seconds > 0 for seconds in measure_precisions().values())
    is_bfloat16_faster.cache_clear()
    assert is_bfloat16_faster() in ((True, False) if processor.has_bfloat16 else (False,))
    is_bfloat16_faster.cache_clear()


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_too_and_emulation_does_not_count(
    monkeypatch: pytest.MonkeyPatch, supported: bool, expected: str
) -> None:
    asked = []

    def device(which: torch.device) -> nullcontext[None]:
        asked.append(which)
        return nullcontext()

    monkeypatch.setattr("core.precision.is_bfloat16_faster", lambda: not supported)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: not supported)
    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or supported
    )
    assert automatic_precision("cuda:1") == resolve_training_precision("auto", torch.device("cuda:1")) == expected
    assert asked == 2 * [torch.device("cuda:1")]


def test_other_devices_take_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.precision.is_bfloat16_faster", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert automatic_precision("meta") == resolve_training_precision("auto", torch.device("meta")) == "float32"


@pytest.mark.parametrize(("matrix_units", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_processor_trains_in_what_it_has_matrix_units_for(
    monkeypatch: pytest.MonkeyPatch, matrix_units: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: matrix_units)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)  # which alone does not pay
    assert resolve_training_precision("auto", torch.device("cpu")) == expected


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for faster in (True, False):
        monkeypatch.setattr("core.precision.is_bfloat16_faster", lambda found=faster: found)
        assert resolve_precision(name, "cpu") == resolve_training_precision(name, torch.device("cpu")) == name


def test_another_name_is_refused() -> None:
    for resolve in (resolve_precision, resolve_training_precision):
        with pytest.raises(
            ConfigError, match="precision is 'float16'; expected one of auto, float32, bfloat16: auto takes"
        ):
            resolve("float16", torch.device("cpu"))
