"""Compilation of OpenVINO models, and their execution on all cores.

Images of a batch are independent of each other. A single image is computed by all cores together; of several, each core
computes two alone, which is faster, because none waits for another after every operation. Every model is compiled for
a fixed number of images, with which it takes a fifth less time than one for any number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from openvino import AsyncInferQueue, Core, Model, serialize

from core.hardware import count_threads, load_openvino_core
from core.precision import Precision
from gen.inference.operations import FLOAT32_PREFIX

LARGEST_PART: Final = 2
"""Images of a batch that a core computes at a time. More are no faster, and take more memory."""

_FLOAT32_ATTRIBUTE: Final = {"name": "DisablePrecisionConversion", "version": "0", "value": "dynamic:f16;dynamic:bf16"}
"""Attribute of operations that are not converted to another precision, as OpenVINO writes it into files."""


class Engine:
    """A model, compiled when it is first used: in each precision for single images, and for batches.

    It may be used by several threads, which wait for each other.

    Args:
        build: builds the model, whose inputs and outputs have images along their first dimension.
        part: images of a batch that a core computes at a time.
        threads: cores to use; None for as many as `core.hardware.count_threads`.
    """

    def __init__(
        self,
        build: Callable[[], Model],
        *,
        part: int = LARGEST_PART,
        threads: int | None = None,
    ) -> None:
        self._build = build
        self._part = part
        self._threads = threads or count_threads()
        self._lock = Lock()
        # Kept because their buffers are: to allocate these anew costs a third of the time of a small image.
        self._queues: dict[tuple[Precision, int, int], AsyncInferQueue] = {}

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], precision: Precision = "float32") -> npt.NDArray[Any]:
        """Compute the output of n images; the model has one.

        Args:
            inputs: arrays by the names of the model's inputs, with n rows, or one row for all images.
            precision: of the convolutions. Where the processor has no instructions for bfloat16, float32 is used.
        """
        (output,) = self.run_all(inputs, precision)
        return output

    def run_all(
        self, inputs: Mapping[str, npt.NDArray[Any]], precision: Precision = "float32"
    ) -> list[npt.NDArray[Any]]:
        """Compute all outputs of n images, in the model's order; arguments as for `run`."""
        # OpenVINO reads the memory of arrays without a copy, and forgets to keep the copies of those in another order.
        inputs = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        n = max(len(array) for array in inputs.values())
        outputs: list[npt.NDArray[Any]] = []
        making = Lock()

        def keep(request: Any, part: slice) -> None:
            with making:
                _keep(request, outputs, part, n)

        together = self._count_in_parts(n)
        with self._lock:
            for size, at_once, start, stop in ((self._part, self._threads, 0, together), (1, 1, together, n)):
                if start == stop:
                    continue
                # One row for all images, repeated for those of a part; it has to live until these are computed.
                same = {name: np.repeat(array, size, axis=0) for name, array in inputs.items() if len(array) == 1}
                queue = self._open_queue(precision, size, at_once)
                queue.set_callback(keep)
                for first in range(start, stop, size):
                    part = slice(first, first + size)
                    own = {name: array[part] for name, array in inputs.items() if name not in same}
                    queue.start_async(same | own, part, share_inputs=True)
                queue.wait_all()
        return outputs

    def _count_in_parts(self, n: int) -> int:
        """Return how many of n images are computed in parts: of the last round those that occupy half of the cores."""
        if n == 1:
            return 0
        rest = n % (self._threads * self._part)
        return n - (rest if rest <= self._threads else rest % self._part)

    def _open_queue(self, precision: Precision, size: int, at_once: int) -> AsyncInferQueue:
        """Return the queue that computes so many parts of this size at once, on all cores together."""
        key = precision, size, at_once
        if key not in self._queues:
            settings = {
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
                "INFERENCE_NUM_THREADS": self._threads,
                "NUM_STREAMS": at_once,
            }
            model = self._build()
            model.reshape({name: [size, *shape[1:]] for name, shape in _read_shapes(model).items()})
            if precision == "bfloat16":
                model = keep_float32(model)
            self._queues[key] = AsyncInferQueue(_core().compile_model(model, "CPU", settings), at_once)
        return self._queues[key]


def _read_shapes(model: Model) -> dict[str, list[Any]]:
    return {node.get_any_name(): list(node.get_partial_shape()) for node in model.inputs}


def _keep(request: Any, outputs: list[npt.NDArray[Any]], part: slice, n: int) -> None:
    """Copy the outputs of a part to those of all n images."""
    tensors = request.output_tensors
    if not outputs:
        outputs += [np.empty((n, *tensor.shape[1:]), tensor.data.dtype) for tensor in tensors]
    for output, tensor in zip(outputs, tensors, strict=True):
        output[part] = tensor.data


def keep_float32(model: Model) -> Model:
    """Mark the operations that stay in float32; from Python this is possible in the file of a model alone."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.xml")
        serialize(model, path)
        tree = ElementTree.parse(path)  # noqa: S314  it was written by the line above
        for layer in tree.iter("layer"):
            if layer.get("name", "").startswith(FLOAT32_PREFIX):
                ElementTree.SubElement(ElementTree.SubElement(layer, "rt_info"), "attribute", _FLOAT32_ATTRIBUTE)
        return _core().read_model(ElementTree.tostring(tree.getroot()), path.with_suffix(".bin").read_bytes())


def _core() -> Core:
    core: Core = load_openvino_core()
    return core
