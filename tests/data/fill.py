"""Deterministic parameter fill used by the parity fixtures.

Every tensor of a network is replaced by pseudo-random values that depend only on
its name, its shape and a salt, so that a fixture for a 25-million-parameter network
is a few kilobytes of expected outputs instead of a hundred megabytes of weights.
"""

import zlib

import numpy as np


def filled(name: str, shape, salt: int = 0, std: float = 1.0, mean: float = 0.0) -> np.ndarray:
    """float32 array of `shape`: mean + std * standard normal drawn from PCG64(crc32(name) + salt)."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()) + salt))
    return np.asarray(mean + std * rng.standard_normal(tuple(shape), dtype=np.float32), dtype=np.float32)
