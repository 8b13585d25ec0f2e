"""Training of an inverter: its encoder and its hypernetwork, one step, and the folder of a run."""
