"""Inversion on CPUs without gradients: encoders and hypernetwork as OpenVINO models.

`encoder_graph` and `hypernetwork_graph` write the networks down as graphs of operations, and `compiled` compiles them
for an `inversion.inverter.Inverter`. The layers of `inversion.networks` remain the definition of the networks; they
serve training and GPUs. Synthesis, with changed kernels too, is in `gen.inference`.
"""
