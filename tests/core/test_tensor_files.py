"""Headers of checkpoints that are no checkpoint's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import CheckpointError
from core.tensor_files import KEY, read_header


@pytest.mark.parametrize("header", ["[" * 100_000, "{", "[1]", "null", "1" * 10_000])
def test_a_header_that_is_no_object_is_refused(tmp_path: Path, header: str) -> None:
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "a.safetensors", {KEY: header})
    with pytest.raises(CheckpointError):
        read_header(tmp_path / "a.safetensors")
