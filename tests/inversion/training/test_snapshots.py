from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from core.errors import CheckpointError, ConfigError
from faces.images import read_image
from gen.checkpoint import fingerprint
from inversion import inverter_file
from inversion.inverter_file import InverterInfo
from inversion.quality import Quality, QualityLimits
from inversion.training.snapshots import InverterFolder
from tests.inversion.tiny import some_faces, tiny_generator, tiny_inverter
from tests.inversion.training.tiny import trainer

LIMITS = QualityLimits.of([Quality(l2=0.01 * i, ms_ssim=0.9) for i in range(20)])


def info() -> InverterInfo:
    return InverterInfo(
        fingerprint(tiny_generator()), "phantoms", images_seen={"encoder": 8}, limits=LIMITS, least_gain=0.01
    )


def test_a_file_brings_back_the_inverter_and_what_is_known_of_it(tmp_path: Path) -> None:
    inverter, path = tiny_inverter(least_gain=0.01), tmp_path / "inverter.safetensors"
    inverter_file.save(path, inverter, info())
    back = inverter_file.load(path, tiny_generator())
    assert inverter_file.read_info(path) == info()
    assert back.judge.limits == LIMITS
    assert back.least_gain == 0.01
    ours, theirs = (net.invert(some_faces(2), passes=1) for net in (inverter, back))
    torch.testing.assert_close(theirs.reconstruction, ours.reconstruction, atol=0.02, rtol=0)
    assert theirs.quality[0].verdict is not None


def test_other_files_and_other_generators_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "inverter.safetensors"
    inverter_file.save(path, tiny_inverter(), info())
    with pytest.raises(CheckpointError, match="belongs to the generator"):
        inverter_file.load(path, tiny_generator(seed=2))


def test_a_snapshot_holds_what_a_run_needs_and_a_person_looks_at(tmp_path: Path) -> None:
    folder, learning = InverterFolder(tmp_path / "run"), trainer("hypernetwork")
    for _ in range(2):
        learning.step()
        folder.save(learning, info(), some_faces(3))
    figures = json.loads(folder.held_out.read_text())
    assert list(figures) == ["8", "16"]
    assert len(figures["16"]["l2"]) == len(figures["16"]["ms_ssim"]) == 3, "encoder and two passes"
    assert read_image(next(folder.samples.glob("000000016-held-out.png"))).shape[1] > 4 * 96
    assert folder.images_seen() == 16
    inverter_file.load(folder.inverter, tiny_generator())
    resumed = trainer("hypernetwork")
    folder.resume(resumed, change=False)
    assert resumed.images_seen == 16
    with pytest.raises(ConfigError, match=r"training.stage was 'hypernetwork' and is 'encoder'"):
        folder.check(trainer("encoder"), change=True)
