"""Networks of inversion: encoders into W, the hypernetwork, and feature networks for losses and quality.

They know neither files of inverters nor training. The generator and its discriminator are in `gen`.
"""
