"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from faces.detect import FaceDetector
from faces.images import Pixels

torch.set_num_threads(1)  # the networks of the tests are too small for more, and a busy machine punishes it


@pytest.fixture(scope="session")
def portraits() -> Path:
    """Folder of photo-realistic portraits (see docs/portraits.md), which is not part of the repository."""
    folder = os.environ.get("GESTALTGEN_PORTRAITS")
    if not folder:
        pytest.skip("GESTALTGEN_PORTRAITS names no folder of portraits")
    return Path(folder)


@pytest.fixture(scope="session")
def astronaut() -> Pixels:
    """A photograph with one person, 512 x 512, public domain; comes with scikit-image."""
    return np.asarray(skimage.data.astronaut(), dtype=np.uint8)


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return FaceDetector()
