"""Loaders of published checkpoints under the names that other programs rely on; `gen.published` defines them."""

from __future__ import annotations

from gen.published.rosinality import load_rosinality
from gen.published.stylegan2_ada import load_stylegan2_ada, read_pickle

__all__ = ["load_rosinality", "load_stylegan2_ada", "read_pickle"]
