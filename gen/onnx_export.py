"""Export of a generator's checkpoint as an ONNX file that says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from core.atomic_files import write_file
from core.errors import CheckpointError
from gen import checkpoint
from gen.inference.onnx_file import build_onnx

NOTICE: Final = "Images are synthetic: they show people who do not exist, and are no basis for a diagnosis."


def export_onnx(source: Path, out: Path, *, from_latents: bool = False) -> None:
    """Write the generator of a checkpoint as an ONNX file; it appears whole or not at all.

    Args:
        source: checkpoint of a generator.
        out: file to write, which must not exist.
        from_latents: leave the mapping out; see `gen.inference.onnx_file.build_onnx` for inputs and outputs.

    Raises:
        CheckpointError: errors of `checkpoint.load_generator`, or `out` exists.
        ConfigError: the package `onnx` is not installed.
    """
    if out.exists():
        raise CheckpointError(f"{out} exists; expected a new name, or delete it first")
    tensors, config = checkpoint.load_arrays(source)
    info = checkpoint.read_info(source)
    metadata = {
        "licence": info.licence or "not stated",
        "origin": info.origin or "not stated",
        "notice": NOTICE,
        "checkpoint_sha256": info.sha256,
    }
    if (vocabulary := config.vocabulary) is not None:
        metadata["conditions"] = json.dumps(vocabulary.conditions)
        metadata["ages"] = json.dumps([age.name for age in vocabulary.ages])
    write_file(out, build_onnx(tensors, config, metadata, from_latents=from_latents))
