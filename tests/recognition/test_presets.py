"""Presets of the two studies, and what is said of them."""

from __future__ import annotations

import pytest

from core.errors import ConfigError
from faces.labels import CONDITIONS
from recognition.presets import PRESETS, describe, find_preset
from recognition.training.optimizer import learning_rate_at


def test_duong_as_printed_and_as_coded() -> None:
    printed, code = find_preset("duong"), find_preset("duong-code")
    assert (printed.training.network, printed.training.size, printed.training.batch) == ("efficientnet-b4", 448, 64)
    assert (printed.threshold, code.threshold) == (0.5, 0.2)
    assert printed.for_classes(CONDITIONS).class_weights is None
    assert code.for_classes(CONDITIONS).class_weights == {"WS": 10, "22q11DS": 10, "other": 10}
    assert (code.training.dropout, code.training.dropout_passes) == (0.2, 5)
    assert learning_rate_at(code.training, 0) == pytest.approx(3e-5)
    assert learning_rate_at(code.training, 1) == pytest.approx(3e-4)


def test_patel_as_printed_and_as_coded() -> None:
    printed, code = find_preset("patel").training, find_preset("patel-code").training
    assert (printed.network, printed.pretraining, printed.size, printed.batch) == ("resnet50", "vggface2", 224, 32)
    assert (printed.optimizer, printed.learning_rate, printed.momentum, printed.epochs) == ("sgd", 0.001, 0.9, 35)
    assert (printed.select, code.select) == ("loss", "accuracy")
    assert (printed.head_rate, code.head_rate) == (1, 10)
    assert learning_rate_at(printed, 25) == 0.001


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_described(name: str) -> None:
    assert len(describe(name)) > 40
    if name.endswith("-code"):
        assert "Not as the code" in describe(name)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of small, duong, duong-code, patel, patel-code"):
        find_preset("dong")
