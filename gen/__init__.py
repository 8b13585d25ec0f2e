"""Conditional StyleGAN2: labels, networks, training, checkpoints and the image sets made with them."""
