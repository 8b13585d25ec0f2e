"""Inversion of photographs: latents and offsets of a generator's kernels that reproduce a face.

The inverter (encoder and hypernetwork), optimisation (projection and pivotal tuning), the quality of an inversion and
its verdict, and the files of inverters and inversions. Networks are in `networks`, their training is in `training`.
Nothing here changes a face; that is `editing`. Detection and alignment of faces are in `faces`.
"""
