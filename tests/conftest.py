"""Fixtures that several packages share, and the list of slow test files."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

# The networks of the tests are too small for more threads, and a busy machine punishes them; processes that tests start
# take this over.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# They also read compiled modules; compiling takes a tenth of the time that their imports take.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Tests speak HTTP without TLS: no client needs to read the certificates of all authorities, which takes 0.06 s.
os.environ["SSL_CERT_DIR"] = os.devnull
os.environ.pop("SSL_CERT_FILE", None)  # it would come first

import numpy as np
import pytest
import skimage.data
import torch
from xdist.scheduler import LoadFileScheduling

from faces.detect import FaceDetector
from faces.images import Pixels
from gen.conversion_cache import ConversionCache

torch.set_num_threads(1)
sys.dont_write_bytecode = False
# What modules create as they are imported lives until the end: collecting garbage among it takes a tenth of that time.
gc.disable()

SLOW_FOLDERS = ("api", "client", "studio_browser")
"""Folders whose tests start a service."""

SLOW_FILES = frozenset(
    [
        "benchmarks/test_benchmarks.py",
        "editing/published/test_importing.py",
        "editing/test_face_editor.py",
        "editing/test_model_check.py",
        "experiments/test_augmentation.py",
        "experiments/test_expression.py",
        "faces/datasets/test_preparation.py",
        "faces/oracle/test_attribute_network.py",
        "faces/oracle/test_landmark_network.py",
        "faces/phantoms/test_person.py",
        "faces/phantoms/test_phantom_dataset.py",
        "faces/test_detect.py",
        "faces/test_expression.py",
        "gen/evaluation/test_evaluate.py",
        "gen/kernels/test_activation.py",
        "gen/kernels/test_lowpass.py",
        "gen/evaluation/test_age_calibration.py",
        "gen/inference/test_generator.py",
        "gen/test_parity.py",
        "gen/test_sampler.py",
        "gen/training/test_recipe.py",
        "gen/training/test_run.py",
        "gen/training/test_trainer.py",
        "gen/training/test_warm_start.py",
        "gestaltgen/cli/classify/test_classify.py",
        "gestaltgen/cli/images/test_edit.py",
        "gestaltgen/cli/images/test_invert.py",
        "gestaltgen/cli/service/test_backup.py",
        "gestaltgen/cli/service/test_demo.py",
        "gestaltgen/cli/training/test_audit.py",
        "gestaltgen/cli/training/test_oracle.py",
        "gestaltgen/cli/training/test_train.py",
        "gestaltgen/cli/training/test_train_inverter.py",
        "gestaltgen/cli/training/test_weights.py",
        "inversion/inference/test_encoder.py",
        "inversion/inference/test_hypernetwork.py",
        "inversion/published/test_importing.py",
        "inversion/test_inverter.py",
        "inversion/test_optimisation.py",
        "inversion/test_parity.py",
        "inversion/training/test_trainer.py",
        "recognition/images/test_pulled_sets.py",
        "recognition/images/test_pulled_sets_from_services.py",
        "recognition/networks/test_architectures.py",
        "recognition/results/test_report.py",
        "recognition/training/test_cross_validation.py",
        "recognition/training/test_trainer.py",
        "test_examples.py",
        "test_weights.py",
    ]
)
"""Files that take more than a few seconds; `make test-fast` leaves them and the slow folders out."""


SHARED_FILES = frozenset(["api/image_sets/test_shared_storage.py", "api/jobs/test_several_processes.py"])
"""Files that need PostgreSQL or a store like S3; `make test-shared` runs them."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow files and folders as slow, and those of stores that processes share as shared.

    Processes side by side begin with those in the browser, which take longest, and end with quick ones.
    """
    for item in items:
        file = item.path.relative_to(Path(__file__).parent)
        if file.parts[0] in SLOW_FOLDERS or file.as_posix() in SLOW_FILES:
            item.add_marker(pytest.mark.slow)
        if file.as_posix() in SHARED_FILES:
            item.add_marker(pytest.mark.shared)
    items.sort(key=lambda item: ("tests/studio_browser/" not in item.nodeid, item.get_closest_marker("slow") is None))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Give each file of tests to one process, and all files of a folder with one service for all to one process."""
    return ServiceScheduling(config, log) if config.getoption("dist") == "loadfile" else None


class ServiceScheduling(LoadFileScheduling):
    """Files side by side, but those in the browser after one another: they share a service and a browser."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "tests/studio_browser" if file.startswith("tests/studio_browser/") else file


def pytest_collection_finish() -> None:
    """Collect garbage from now on, but not among all that was imported."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def portraits() -> Path:
    """Folder of photo-realistic portraits (see docs/portraits.md), which is not part of the repository."""
    folder = os.environ.get("GESTALTGEN_PORTRAITS")
    if not folder:
        pytest.skip("GESTALTGEN_PORTRAITS names no folder of portraits")
    return Path(folder)


@pytest.fixture(scope="session")
def judges() -> Path:
    """Folder of face-api's networks, which are not part of the repository."""
    folder = os.environ.get("GESTALTGEN_JUDGES")
    if not folder:
        pytest.skip("GESTALTGEN_JUDGES names no folder of networks")
    return Path(folder)


@pytest.fixture
def computed_by_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that are not compiled for inference, which takes most of the time of tiny ones."""
    monkeypatch.setattr(ConversionCache, "find", lambda *_: None)


@pytest.fixture(scope="session")
def astronaut() -> Pixels:
    """A photograph with one person, 512 x 512, public domain; comes with scikit-image."""
    return np.asarray(skimage.data.astronaut(), dtype=np.uint8)


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return FaceDetector()
