"""Stable import path of the loaders of published checkpoints, for programs outside this repository.

The loaders are defined in `gen.published`, which our own code imports.
"""

from __future__ import annotations

from gen.published.rosinality import load_rosinality
from gen.published.stylegan2_ada import load_stylegan2_ada, read_pickle

__all__ = ["load_rosinality", "load_stylegan2_ada", "read_pickle"]
