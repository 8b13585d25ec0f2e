from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from torch import nn

from core.errors import CheckpointError
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from recognition.syndromes.features.descriptors import VggFace2Descriptor, align_by_five_points, load_descriptor

FACE = draw_phantom(nth_phantom(0, 3), 128)


def write_mean_network(path: Path, kept: int = 2) -> None:
    """Write an ONNX network that returns the mean of each channel."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [kept], [2, 3][:kept])
    node = helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=0)
    graph = helper.make_graph(
        [node],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [axes],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def test_faces_are_aligned_whatever_their_size_and_turn() -> None:
    aligned = align_by_five_points(FACE.image, FACE.landmarks, 112)
    turned = np.rot90(FACE.image).copy()
    points = np.column_stack([FACE.landmarks[:, 1], 127 - FACE.landmarks[:, 0]])
    again = align_by_five_points(turned, points, 112)
    assert np.abs(aligned.astype(float) - again)[10:100, 10:100].mean() < 1


def test_an_arcface_network_sees_the_aligned_face_in_rgb(tmp_path: Path) -> None:
    write_mean_network(tmp_path / "mean.onnx")
    describe = load_descriptor(tmp_path / "mean.onnx")
    aligned = align_by_five_points(FACE.image, FACE.landmarks, 112)
    assert describe.size == 3
    expected = aligned.astype(float).mean(axis=(0, 1)) / 127.5 - 1
    np.testing.assert_allclose(describe(FACE.image, FACE.landmarks), expected, atol=1e-3)


def test_vggface2_weights_describe_a_face_by_the_trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recognition.networks import architectures, backbone_weights

    class Channels(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(2, 3))

    monkeypatch.setattr(backbone_weights, "load_backbone", lambda network, path: "digest")
    monkeypatch.setattr(architectures, "build_trunk", lambda *_: (Channels(), 3))
    describe = VggFace2Descriptor(tmp_path / "weights.safetensors")
    assert (describe.name, describe.size) == ("vggface2 digest", 3)
    blue, _, red = describe(FACE.image, FACE.landmarks)
    aligned = align_by_five_points(FACE.image, FACE.landmarks, 224).astype(float).mean(axis=(0, 1))
    np.testing.assert_allclose([red, blue], [aligned[0] - 131.0912, aligned[2] - 91.4953], atol=1e-2)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    write_mean_network(tmp_path / "map.onnx", kept=1)
    for name in ("junk.onnx", "map.onnx", "weights.pth"):
        with pytest.raises(CheckpointError):
            load_descriptor(tmp_path / name)
