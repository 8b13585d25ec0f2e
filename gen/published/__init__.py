"""Readers of published checkpoints: files that other programs wrote, for StyleGAN2-ADA and rosinality's StyleGAN2.

No code in a file is run. `importing` reads any file that the command `gestaltgen weights import` takes;
`stylegan2_ada` and `rosinality` hold the loader of each layout. Other programs find the loaders under `gen.official`,
which defines nothing of its own. Our own files are read by `gen.checkpoint`, published HyperStyle files by
`inversion.official`.
"""
