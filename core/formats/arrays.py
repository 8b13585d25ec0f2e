"""Reading of NumPy's .npy files that strangers made."""

from __future__ import annotations

import io
import tokenize
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from core.formats.archives import BROKEN_FILE


def read_array(content: bytes) -> npt.NDArray[Any]:
    """Return the array that a .npy file holds; nothing of it is run.

    Raises:
        ValueError: the file holds no array, or its header is one that NumPy only guesses.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy repairs some damaged headers, with a warning about Python 2
            array: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (*BROKEN_FILE, SyntaxError, TypeError, tokenize.TokenError, MemoryError, Warning) as error:
        raise ValueError(str(error)) from error
    if not isinstance(array, np.ndarray):
        raise ValueError("it holds several arrays (.npz); expected a .npy file with one")
    return array
