"""Training of an inverter's encoder and hypernetwork: recipe, trainer, optimiser, snapshots and the run.

The run is in `run`; commands only parse options for it. The loop over steps is that of `gen.training`.
"""
