"""Discriminator on fixed features of a face network (Sauer et al. 2021, "Projected GANs Converge Faster").

It trains beside the discriminator of StyleGAN2 and never becomes part of a checkpoint of weights.
"""
