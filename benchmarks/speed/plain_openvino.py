"""The synthesis network as a straightforward OpenVINO model, as a peer of ours (`gen.inference.graph`).

Styles are products of matrices, reshaped to (n, c, 1, 1); noise and bias are added one after the other; a batch is one
call, compiled for this number of images and low latency.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from openvino import InferRequest, Model, Node, opset13

from core.hardware import load_openvino_core
from core.precision import Precision
from gen.config import GeneratorConfig

Floats: TypeAlias = npt.NDArray[np.float32]

_FIR: Final = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 16


def compile_synthesis(
    tensors: Mapping[str, Floats], config: GeneratorConfig, precision: Precision
) -> Callable[[Floats], Floats]:
    """Compile the model; the result computes images (n, 3, h, h) of latents (n, num_ws, w_dim)."""
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
    }

    @cache
    def compile_for(images: int) -> InferRequest:
        model = _build(tensors, config)
        model.reshape([images, config.num_ws, config.w_dim])
        return load_openvino_core().compile_model(model, "CPU", settings).create_infer_request()

    def synthesize(ws: Floats) -> Floats:
        images: Floats = compile_for(len(ws)).infer([ws], share_inputs=True, share_outputs=True)[0]
        return images

    return synthesize


def _build(tensors: Mapping[str, Floats], config: GeneratorConfig) -> Model:
    def clamp(y: Node) -> Node:
        return y if config.conv_clamp is None else opset13.clamp(y, -config.conv_clamp, config.conv_clamp)

    def apply_affine(w: Node, name: str) -> Node:
        weight = tensors[f"{name}.affine.weight"] / math.sqrt(config.w_dim)
        return opset13.matmul(w, weight, False, True) + tensors[f"{name}.affine.bias"]

    def convolve(x: Node, w: Node, name: str, *, up: bool) -> Node:
        weight = tensors[f"{name}.weight"]
        styles = apply_affine(w, name)
        energy = opset13.matmul(styles * styles, np.square(weight).sum(axis=(2, 3)), False, True)
        scale = opset13.power(energy + _number(1e-8), _number(-0.5))
        x = x * _to_maps(styles, weight.shape[1])
        if up:
            kernel = np.ascontiguousarray(weight.transpose(1, 0, 2, 3))
            x = opset13.convolution_backprop_data(x, kernel, [2, 2], pads_begin=[0, 0], pads_end=[0, 0])
            taps = np.tile(_FIR, (len(weight), 1, 1, 1, 1))
            x = opset13.group_convolution(x, taps, [1, 1], [1, 1], [1, 1], [1, 1])
        else:
            x = opset13.convolution(x, weight, [1, 1], [1, 1], [1, 1], [1, 1])
        x = x * _to_maps(scale, len(weight))
        x = x + tensors[f"{name}.noise_const"] * tensors[f"{name}.noise_strength"]
        x = x + tensors[f"{name}.bias"][:, None, None]
        return clamp(opset13.prelu(x, np.array([0.2], np.float32)) * _number(math.sqrt(2)))

    def map_to_rgb(x: Node, w: Node, name: str) -> Node:
        weight = tensors[f"{name}.weight"]
        styles = apply_affine(w, name) * _number(1 / math.sqrt(weight.shape[1]))
        x = opset13.convolution(x * _to_maps(styles, weight.shape[1]), weight, [1, 1], [0, 0], [0, 0], [1, 1])
        return clamp(x + tensors[f"{name}.bias"][:, None, None])

    ws = opset13.parameter([-1, config.num_ws, config.w_dim], np.float32, name="ws")
    latents = iter([opset13.gather(ws, np.int64(i), np.int64(1)) for i in range(config.num_ws)])
    w, rgb = next(latents), None
    x: Any = opset13.constant(tensors["synthesis.b4.const"][None])
    for resolution in config.block_resolutions:
        block = f"synthesis.b{resolution}"
        for name in ("conv1",) if resolution == 4 else ("conv0", "conv1"):
            x = convolve(x, w, f"{block}.{name}", up=name == "conv0")
            w = next(latents)
        y = map_to_rgb(x, w, f"{block}.torgb")
        rgb = y if rgb is None else _upsample(rgb) + y
    return Model([rgb], [ws], "plain")


def _upsample(rgb: Node) -> Node:
    taps = np.tile(_FIR, (3, 1, 1, 1, 1))
    return opset13.group_convolution_backprop_data(rgb, taps, [2, 2], pads_begin=[1, 1], pads_end=[1, 1])


def _to_maps(x: Node, channels: int) -> Node:
    return opset13.reshape(x, np.array([-1, channels, 1, 1], np.int64), False)


def _number(value: float) -> npt.NDArray[np.float32]:
    return np.array(value, np.float32)
