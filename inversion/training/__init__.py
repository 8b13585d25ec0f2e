"""Training the encoder and the hypernetwork of an inverter."""
