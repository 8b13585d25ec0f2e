"""Peers: the same generator as others would run it, without anything of ours but the weights.

Plain PyTorch, `torch.compile`, ONNX Runtime on the file that `gestaltgen weights export --onnx` writes, and a
straightforward OpenVINO model (`benchmarks.speed.plain_openvino`). All scale the activations by the styles, and
compute a batch in one call; those that compile do so for its number of images. They are an extra of the benchmark: what
is not installed is left out.
"""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.speed import plain_openvino
from core.precision import Precision, dtype_of
from gen.config import GeneratorConfig
from gen.inference.onnx_file import build_onnx

Floats: TypeAlias = npt.NDArray[np.float32]

Synthesis: TypeAlias = Callable[[Floats], Floats]
"""Latents (n, num_ws, w_dim) -> images (n, 3, h, h)."""

FIR: Final = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0])] * 2) / 16

_COMPILERS: Final = ("g++", "clang++", "c++")


@dataclass(frozen=True)
class Peer:
    """Another way to run a generator.

    Args:
        name: name of the runtime.
        make: makes the synthesis of a generator's tensors in a precision.
        missing: reason why it cannot run on this machine; empty if it can.
        precisions: precisions that it has on CPUs.
        compiles: whether it compiles for a minute before the first image.
    """

    name: str
    make: Callable[[Mapping[str, Floats], GeneratorConfig, Precision], Synthesis]
    missing: str = ""
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    compiles: bool = False


def list_peers() -> list[Peer]:
    """Return all peers, with the reason for those that cannot run on this machine."""
    packages = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    compiler = any(shutil.which(name) for name in _COMPILERS)
    return [
        Peer("PyTorch", _make_eager),
        Peer("torch.compile", _make_compiled, "" if compiler else "there is no C++ compiler", compiles=True),
        Peer("ONNX Runtime", _make_onnx, f"not installed: {', '.join(packages)}" if packages else "", ("float32",)),
        Peer("OpenVINO", plain_openvino.compile_synthesis),
    ]


class PlainSynthesis:
    """The synthesis network as plain PyTorch functions, channels last; images are float32.

    Args:
        tensors: of a generator, named as in its checkpoint.
        config: of the same generator.
        dtype: of the convolutions.
    """

    def __init__(self, tensors: Mapping[str, Floats], config: GeneratorConfig, dtype: torch.dtype) -> None:
        self._config = config
        self._dtype = dtype
        self._weights = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
        self._kernels = {
            name: self._arrange(tensor.transpose(0, 1) if name.endswith("conv0.weight") else tensor)
            for name, tensor in self._weights.items()
            if name.startswith("synthesis.") and tensor.ndim == 4
        }
        widths = {config.channels(resolution) for resolution in config.block_resolutions}
        self._filters = {width: self._arrange(FIR.expand(width, 1, 4, 4)) for width in widths}
        self._energies = {name: self._weights[name].square().sum(dim=(2, 3)).T for name in self._kernels}

    def __call__(self, ws: Tensor) -> Tensor:
        latents = iter(ws.unbind(dim=1))
        w, rgb = next(latents), None
        x = self._weights["synthesis.b4.const"].to(self._dtype).expand(len(ws), -1, -1, -1)
        for resolution in self._config.block_resolutions:
            block = f"synthesis.b{resolution}"
            for name in ("conv1",) if resolution == 4 else ("conv0", "conv1"):
                x = self._convolve(x, w, f"{block}.{name}", up=name == "conv0")
                w = next(latents)
            y = self._map_to_rgb(x, w, f"{block}.torgb")
            rgb = y if rgb is None else F.conv_transpose2d(rgb, _RGB_FILTER, stride=2, padding=1, groups=3) + y
        assert rgb is not None
        return rgb

    def _convolve(self, x: Tensor, w: Tensor, name: str, *, up: bool) -> Tensor:
        styles, kernel = self._apply_affine(w, name), self._kernels[f"{name}.weight"]
        scale = (styles.square() @ self._energies[f"{name}.weight"] + 1e-8).rsqrt()
        x = x * styles[:, :, None, None].to(x.dtype)
        if up:
            x = F.conv_transpose2d(x, kernel, stride=2)
            x = F.conv2d(x, self._filters[x.shape[1]], padding=1, groups=x.shape[1])
        else:
            x = F.conv2d(x, kernel, padding=1)
        noise = self._weights[f"{name}.noise_const"] * self._weights[f"{name}.noise_strength"]
        x = x * scale[:, :, None, None].to(x.dtype) + noise.to(x.dtype)
        x = x + self._weights[f"{name}.bias"][:, None, None].to(x.dtype)
        return self._clamp(F.leaky_relu(x, 0.2) * math.sqrt(2))

    def _map_to_rgb(self, x: Tensor, w: Tensor, name: str) -> Tensor:
        styles = self._apply_affine(w, name) / math.sqrt(x.shape[1])
        y = F.conv2d(x * styles[:, :, None, None].to(x.dtype), self._kernels[f"{name}.weight"]).float()
        return self._clamp(y + self._weights[f"{name}.bias"][:, None, None])

    def _apply_affine(self, w: Tensor, name: str) -> Tensor:
        weight = self._weights[f"{name}.affine.weight"]
        return F.linear(w / math.sqrt(w.shape[1]), weight, self._weights[f"{name}.affine.bias"])

    def _clamp(self, x: Tensor) -> Tensor:
        limit = self._config.conv_clamp
        return x if limit is None else x.clamp(-limit, limit)

    def _arrange(self, kernel: Tensor) -> Tensor:
        return kernel.to(self._dtype, memory_format=torch.channels_last)


_RGB_FILTER: Final = FIR.expand(3, 1, 4, 4).contiguous()


def _make_eager(tensors: Mapping[str, Floats], config: GeneratorConfig, precision: Precision) -> Synthesis:
    return _wrap(PlainSynthesis(tensors, config, dtype_of(precision)))


def _make_compiled(tensors: Mapping[str, Floats], config: GeneratorConfig, precision: Precision) -> Synthesis:
    """The first call with a number of images compiles for this number."""
    return _wrap(torch.compile(PlainSynthesis(tensors, config, dtype_of(precision)), dynamic=False))


def _wrap(synthesis: Callable[[Tensor], Tensor]) -> Synthesis:
    @torch.inference_mode()
    def synthesize(ws: Floats) -> Floats:
        images: Floats = synthesis(torch.from_numpy(ws)).numpy()
        return images

    return synthesize


def _make_onnx(tensors: Mapping[str, Floats], config: GeneratorConfig, precision: Precision) -> Synthesis:
    import onnxruntime

    content = build_onnx(tensors, config, {}, from_latents=True)

    @cache
    def open_for(images: int) -> Any:
        options = onnxruntime.SessionOptions()
        options.add_free_dimension_override_by_name("n", images)
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def synthesize(ws: Floats) -> Floats:
        images: Floats = open_for(len(ws)).run(["images"], {"ws": ws})[0]
        return images

    return synthesize
