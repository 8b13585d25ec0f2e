"""Compilation of OpenVINO models, and their execution on all cores.

Images of a batch are independent of each other. One image is computed by all cores together; of several, each core
computes a few alone, which is faster, because none waits for another after every operation.
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
from openvino import AsyncInferQueue, CompiledModel, Core, InferRequest, Model, serialize

from core.hardware import count_threads, load_openvino_core
from core.precision import Precision
from gen.inference.operations import FLOAT32_PREFIX

_LARGEST_PART: Final = 4
"""Images that a core computes at a time."""

_FLOAT32_ATTRIBUTE: Final = {"name": "DisablePrecisionConversion", "version": "0", "value": "dynamic:f16;dynamic:bf16"}
"""Attribute of operations that are not converted to another precision, as OpenVINO writes it into files."""


class Engine:
    """A model, compiled when it is first used: in each precision for single images, and for batches.

    It may be used by several threads, which wait for each other.

    Args:
        build: builds the model, whose inputs and outputs have images along their first dimension.
        largest_part: most images that a core computes at a time.
        threads: cores to use; None for as many as `core.hardware.count_threads`.
    """

    def __init__(
        self,
        build: Callable[[], Model],
        *,
        largest_part: int = _LARGEST_PART,
        threads: int | None = None,
    ) -> None:
        self._build = build
        self._largest_part = largest_part
        self._threads = threads or count_threads()
        self._lock = Lock()
        # Kept because their buffers are: to allocate these anew costs a third of the time of a small image.
        self._requests: dict[Precision, InferRequest] = {}
        self._queues: dict[Precision, AsyncInferQueue] = {}

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
        with self._lock:
            if n == 1 or self._threads == 1:
                return self._run_parts(inputs, n, precision)
            return self._run_in_parallel(inputs, n, precision)

    def _run_parts(
        self, inputs: Mapping[str, npt.NDArray[Any]], n: int, precision: Precision
    ) -> list[npt.NDArray[Any]]:
        if precision not in self._requests:
            self._requests[precision] = self._compile(precision, parallel=False).create_infer_request()
        request = self._requests[precision]
        outputs: list[npt.NDArray[Any]] = []
        for part in self._divide(n, threads=1):
            request.infer(_select(inputs, part), share_inputs=True, share_outputs=True)
            _keep(request, outputs, part, n)
        return outputs

    def _run_in_parallel(
        self, inputs: Mapping[str, npt.NDArray[Any]], n: int, precision: Precision
    ) -> list[npt.NDArray[Any]]:
        parts = self._divide(n, self._threads)
        outputs: list[npt.NDArray[Any]] = []
        making = Lock()
        if precision not in self._queues:
            self._queues[precision] = AsyncInferQueue(self._compile(precision, parallel=True), self._threads)
        queue = self._queues[precision]

        def keep(request: Any, part: slice) -> None:
            with making:
                _keep(request, outputs, part, n)

        queue.set_callback(keep)
        for part in parts:
            queue.start_async(_select(inputs, part), part, share_inputs=True)
        queue.wait_all()
        return outputs

    def _divide(self, n: int, threads: int) -> list[slice]:
        """Return parts of n images, of about the same size, as many for one thread as for another."""
        rounds = -(-n // (threads * self._largest_part))
        count = min(n, rounds * threads)
        ends = [n * part // count for part in range(count + 1)]
        return [slice(*ends[part : part + 2]) for part in range(count)]

    def _compile(self, precision: Precision, *, parallel: bool) -> CompiledModel:
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": self._threads if parallel else 1,
        }
        model = self._build()
        if precision == "bfloat16":
            model = _keep_float32(model)
        return _core().compile_model(model, "CPU", settings)


def _select(inputs: Mapping[str, npt.NDArray[Any]], part: slice) -> dict[str, npt.NDArray[Any]]:
    return {name: array if len(array) == 1 else array[part] for name, array in inputs.items()}


def _keep(request: Any, outputs: list[npt.NDArray[Any]], part: slice, n: int) -> None:
    """Copy the outputs of a part to those of all n images."""
    tensors = request.output_tensors
    if not outputs:
        outputs += [np.empty((n, *tensor.shape[1:]), tensor.data.dtype) for tensor in tensors]
    for output, tensor in zip(outputs, tensors, strict=True):
        output[part] = tensor.data


def _keep_float32(model: Model) -> Model:
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
