"""A recognition network of a few random weights, in the format of face-api."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gen.face_features.recognition_network import LAST, STAGES

CHANNELS = (4, 4, 6, 8)


def write_network(folder: Path) -> Path:
    """Write the tensors and their manifest, and return the path of the first."""
    shapes = _shapes_of_convolution("conv32_down", 7, 3, CHANNELS[0])
    before = CHANNELS[0]
    for stage, channels in zip((*STAGES, (LAST,)), (*CHANNELS, CHANNELS[-1]), strict=True):
        for name in stage:
            shapes |= _shapes_of_convolution(f"{name}/conv1", 3, before, channels)
            shapes |= _shapes_of_convolution(f"{name}/conv2", 3, channels, channels)
            before = channels
    shapes["fc"] = (before, 16)
    draw = np.random.default_rng(0)
    data = b"".join((draw.standard_normal(shape) / 4).astype(np.float32).tobytes() for shape in shapes.values())
    entries = [{"name": name, "shape": shape, "dtype": "float32"} for name, shape in shapes.items()]
    path = folder / "face_recognition_model.bin"
    path.write_bytes(data)
    path.with_name(f"{path.stem}-weights_manifest.json").write_text(json.dumps([{"weights": entries}]))
    return path


def _shapes_of_convolution(name: str, side: int, before: int, after: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}/conv/filters": (side, side, before, after),
        f"{name}/conv/bias": (after,),
        f"{name}/scale/weights": (after,),
        f"{name}/scale/biases": (after,),
    }
