"""Inference on CPUs: the generator as an OpenVINO model, without PyTorch.

`graph` writes the synthesis network down as a graph of operations, `engine` compiles graphs and runs them on all cores,
`mapping` computes latents in NumPy, and `generator` is a whole generator made of these. The layers of `gen.layers`
remain the definition of the networks; they serve training and GPUs, and nothing here imports PyTorch.
"""

from core.hardware import import_openvino

import_openvino()
