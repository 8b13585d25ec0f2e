"""A generator as an ONNX model, for those who serve it with another runtime.

The graph is the plain arithmetic of `gen.layers` in standard operations, with styles that scale the activations. It is
not the graph that our own engine runs (`gen.inference.graph`). It needs the package `onnx`, which is imported inside
the functions that use it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from gen.config import GeneratorConfig
from gen.inference.graph import FIR, SLOPE, SQRT2, Arrays
from gen.inference.mapping import LR_MULTIPLIER, read_embedding

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

OPSET: Final = 18
"""Version of the standard operations; runtimes since the beginning of 2023 know it."""

_IR_VERSION: Final = 8
"""Version of the file format that belongs to this version of the operations."""


def build_onnx(
    tensors: Arrays, config: GeneratorConfig, metadata: Mapping[str, str], *, from_latents: bool = False
) -> bytes:
    """Build the content of an ONNX file.

    Inputs, float32: `z` (n, z_dim); `c` (n, c_dim), if the generator is conditional; and the scalar `truncation`. With
    `from_latents` the one input is `ws` (n, num_ws, w_dim). Outputs: `images` (n, 3, h, h) float32, about [-1, 1] but
    not clipped, and without `from_latents` also `ws`. Noise is the stored noise of the checkpoint.

    Args:
        tensors: of a generator, named as in its checkpoint.
        config: of the same generator.
        metadata: properties of the model.
        from_latents: leave the mapping out.

    Raises:
        ConfigError: the package `onnx` is not installed.
    """
    try:
        import onnx
        from onnx import helper
    except ImportError:
        raise ConfigError(
            "the package onnx is not installed; install it with `pip install 'gestaltgen[onnx]'`"
        ) from None

    def describe(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    builder = _Builder(tensors, config)
    ws = describe("ws", "n", config.num_ws, config.w_dim)
    outputs = [describe("images", "n", 3, config.resolution, config.resolution)]
    if from_latents:
        inputs = [ws]
    else:
        labels = [describe("c", "n", config.c_dim)] if config.vocabulary else []
        inputs = [describe("z", "n", config.z_dim), *labels, describe("truncation")]
        outputs.append(ws)
        builder.add_mapping()
    builder.add_synthesis()
    graph = helper.make_graph(builder.nodes, "generator", inputs, outputs, builder.constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION, producer_name="gestaltgen"
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


class _Builder:
    """Nodes and constants of a graph; values are known by their names."""

    def __init__(self, tensors: Arrays, config: GeneratorConfig) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._tensors = tensors
        self._config = config

    def add_mapping(self) -> None:
        """Compute `ws` of `z`, `c` and `truncation`."""
        config = self._config
        x = self._normalize("z")
        if config.vocabulary is not None:
            matrix, bias = read_embedding(self._tensors, config.c_dim)
            label = self._normalize(self._add(self._apply("MatMul", "c", self._constant(matrix)), bias))
            x = self._apply("Concat", x, label, axis=1)
        for number in range(config.mapping_layers):
            weight = self._get(f"mapping.fc{number}.weight")
            gain = LR_MULTIPLIER * SQRT2
            y = self._apply("MatMul", x, self._constant(weight.T * (gain / math.sqrt(weight.shape[1]))))
            x = self._apply("LeakyRelu", self._add(y, self._get(f"mapping.fc{number}.bias") * gain), alpha=SLOPE)
        centre = self._find_centre()
        x = self._apply("Add", centre, self._apply("Mul", self._apply("Sub", x, centre), "truncation"))
        x = self._apply("Unsqueeze", x, self._integers([1]))
        self._apply("Tile", x, self._integers([1, config.num_ws, 1]), name="ws")

    def add_synthesis(self) -> None:
        """Compute `images` of `ws`."""
        config = self._config
        shape = self._integers([-1, config.w_dim])
        split = [f"w{number}" for number in range(config.num_ws)]
        self._apply("Split", "ws", names=split, axis=1, num_outputs=config.num_ws)
        latents = iter([self._apply("Reshape", part, shape) for part in split])
        w, x, rgb = next(latents), self._constant(self._get("synthesis.b4.const")[None]), ""
        for resolution in config.block_resolutions:
            for name in config.list_block_convolutions(resolution):
                x = self._convolve(x, w, f"synthesis.b{resolution}.{name}", up=name == "conv0")
                w = next(latents)
            # toRGB shares its latent with the first convolution of the next block.
            y = self._map_to_rgb(x, w, f"synthesis.b{resolution}.torgb")
            if rgb:
                taps = self._constant(np.tile(FIR, (3, 1, 1, 1)))
                rgb = self._apply("ConvTranspose", rgb, taps, group=3, strides=[2, 2], pads=[1, 1, 1, 1])
                y = self._apply("Add", rgb, y)
            rgb = y
        self._apply("Identity", rgb, name="images")

    def _convolve(self, x: str, w: str, name: str, *, up: bool) -> str:
        """Apply a modulated convolution, noise, bias and activation; the gain of the activation goes before it."""
        weight = self._get(f"{name}.weight")
        styles = self._apply_affine(w, name)
        energies = self._constant(np.square(weight).sum(axis=(2, 3)).T)
        energy = self._apply("MatMul", self._apply("Mul", styles, styles), energies)
        scale = self._apply("Sqrt", self._add(energy, 1e-8))
        scale = self._apply("Div", self._constant(SQRT2), scale)
        x = self._apply("Mul", x, self._to_maps(styles))
        if up:
            x = self._apply("ConvTranspose", x, self._constant(weight.transpose(1, 0, 2, 3)), strides=[2, 2])
            taps = self._constant(np.tile(FIR, (len(weight), 1, 1, 1)))
            x = self._apply("Conv", x, taps, group=len(weight), pads=[1, 1, 1, 1])
        else:
            x = self._apply("Conv", x, self._constant(weight), pads=[1, 1, 1, 1])
        x = self._apply("Mul", x, self._to_maps(scale))
        x = self._add(x, self._get(f"{name}.noise_const") * (self._get(f"{name}.noise_strength") * SQRT2))
        x = self._add(x, self._get(f"{name}.bias")[:, None, None] * SQRT2)
        return self._clamp(self._apply("LeakyRelu", x, alpha=SLOPE))

    def _map_to_rgb(self, x: str, w: str, name: str) -> str:
        weight = self._get(f"{name}.weight")
        x = self._apply("Mul", x, self._to_maps(self._apply_affine(w, name, gain=1 / math.sqrt(weight.shape[1]))))
        return self._clamp(self._apply("Conv", x, self._constant(weight), self._constant(self._get(f"{name}.bias"))))

    def _apply_affine(self, w: str, name: str, gain: float = 1.0) -> str:
        """Compute styles (n, in)."""
        weight = self._get(f"{name}.affine.weight")
        product = self._apply("MatMul", w, self._constant(weight.T * (gain / math.sqrt(weight.shape[1]))))
        return self._add(product, self._get(f"{name}.affine.bias") * gain)

    def _find_centre(self) -> str:
        centres = self._tensors.get("mapping.label_centres")
        if centres is None:
            return self._constant(self._get("mapping.w_avg"))
        sizes = self._integers(centres.shape[:2])
        parts = ["condition", "age"]
        self._apply("Split", "c", sizes, names=parts, axis=1)
        return self._apply("Einsum", *parts, self._constant(centres), equation="nc,na,caw->nw")

    def _normalize(self, x: str) -> str:
        mean = self._apply("ReduceMean", self._apply("Mul", x, x), self._integers([1]), keepdims=1)
        return self._apply("Div", x, self._apply("Sqrt", self._add(mean, 1e-8)))

    def _clamp(self, x: str) -> str:
        limit = self._config.conv_clamp
        return x if limit is None else self._apply("Clip", x, self._constant(-limit), self._constant(limit))

    def _to_maps(self, x: str) -> str:
        return self._apply("Unsqueeze", x, self._integers([2, 3]))

    def _add(self, x: str, values: npt.ArrayLike) -> str:
        return self._apply("Add", x, self._constant(values))

    def _apply(
        self, operation: str, *inputs: str, name: str = "", names: list[str] | None = None, **settings: Any
    ) -> str:
        """Add an operation, and return the name of its first result."""
        from onnx import helper

        outputs = names or [name or f"{operation}.{len(self.nodes)}"]
        self.nodes.append(helper.make_node(operation, inputs, outputs, f"node.{len(self.nodes)}", **settings))
        return outputs[0]

    def _constant(self, values: npt.ArrayLike) -> str:
        return self._store(np.ascontiguousarray(values, dtype=np.float32))

    def _integers(self, values: npt.ArrayLike) -> str:
        return self._store(np.asarray(values, dtype=np.int64))

    def _store(self, array: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> str:
        from onnx import numpy_helper

        name = f"constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def _get(self, name: str) -> npt.NDArray[np.float32]:
        return self._tensors[name].astype(np.float32, copy=False)
