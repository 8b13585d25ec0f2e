from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import weights
from core.errors import CheckpointError, ConfigError, DirectionError
from editing import direction_file as directions
from editing.direction_file import Directions
from editing.face_editor import EditorFiles, FaceEditor, SmileEdit
from editing.warp import expression_model
from faces.detect import FaceDetector
from faces.images import to_tensor
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from gen import checkpoint
from gen.checkpoint import fingerprint
from gen.config import DiscriminatorConfig
from gen.networks import Discriminator
from inversion import inverter_file as inverters
from inversion.inverter_file import InverterInfo
from inversion.methods import Method
from inversion.quality import Quality, QualityLimits
from tests.editing import bright
from tests.editing.warp.faces import draw_face, make_model
from tests.inversion.tiny import some_faces, tiny_generator, tiny_inverter


@pytest.fixture
def files(tmp_path: Path) -> EditorFiles:
    """Of a tiny generator with a discriminator, an inverter and directions."""
    found = EditorFiles(
        *(tmp_path / f"{part}.safetensors" for part in ("generator", "discriminator", "inverter", "directions"))
    )
    assert found.discriminator is not None
    assert found.inverter is not None
    assert found.directions is not None
    net, editor, smile = tiny_generator(), bright.editor(), bright.brightness()
    checkpoint.save(found.generator, net)
    checkpoint.save(found.discriminator, discriminator(64))
    limits = QualityLimits.of([Quality(l2=0.001 * i) for i in range(20)])
    inverters.save(found.inverter, tiny_inverter(), InverterInfo(fingerprint(net), limits=limits))
    by_name = {"smile": smile, "smile of WS": replace(smile, name="smile of WS")}
    directions.save(found.directions, Directions(fingerprint(net), by_name, editor.region, editor.apart))
    return found


def discriminator(side: int) -> Discriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Discriminator(DiscriminatorConfig(side, channel_base=512, channel_max=16))


def test_a_face_editor_inverts_edits_and_judges(files: EditorFiles, detector: FaceDetector) -> None:
    face_editor = FaceEditor.open(files, detector)
    assert face_editor.side == 64
    assert face_editor.detector is detector
    found = face_editor.invert(some_faces(1), passes=1)
    assert (found.method, found.steps) == ("hyperstyle", (1,))
    (quality,) = found.quality
    assert quality.verdict is not None
    assert quality.perceptual is not None
    assert face_editor.judge.limits is not None
    assert face_editor.direction("smile", "WS").name == "smile of WS"
    assert face_editor.direction("smile", "other").name == "smile"
    edit = face_editor.editor.edit(found, face_editor.direction("smile"), 0.5)
    torch.testing.assert_close(edit.w, found.w + 0.5 * bright.brightness().vector)
    with pytest.raises(DirectionError, match="there is no direction 'wink'"):
        face_editor.direction("wink")


def test_every_method_is_at_hand(files: EditorFiles, detector: FaceDetector) -> None:
    face_editor = FaceEditor.open(files, detector, identity=False)
    assert face_editor.judge.look is None
    assert face_editor.invert_by().method is Method.HYPERSTYLE
    assert face_editor.invert_by(exact=True).method is Method.PTI
    drawings = replace(face_editor, files=replace(face_editor.files, oracle=Path("oracle")))
    assert drawings.invert_by(exact=True).method is Method.HYPERSTYLE
    torch.testing.assert_close(face_editor.invert_by(passes=1)(some_faces(1)).w, face_editor.invert(some_faces(1), 1).w)
    assert face_editor.invert_by(Method.PTI, steps=1)(some_faces(1)).method == "pti"


def test_a_generator_in_memory_is_not_loaded_again(files: EditorFiles, detector: FaceDetector) -> None:
    net = tiny_generator()
    face_editor = FaceEditor.open(replace(files, generator=Path("nowhere.safetensors")), detector, generator=net)
    assert face_editor.generator is net
    assert face_editor.inverter is not None
    assert face_editor.inverter.generator is net
    with pytest.raises(CheckpointError, match="belongs to the generator"):
        FaceEditor.open(files, detector, generator=tiny_generator(2))


def test_what_a_generator_lacks_is_said_when_it_is_needed(files: EditorFiles, detector: FaceDetector) -> None:
    bare = FaceEditor.open(EditorFiles(files.generator), detector)
    assert bare.known is None
    assert bare.invert_by().method is Method.PTI
    with pytest.raises(ConfigError, match=r"no directions are shipped for generator.safetensors; make some with"):
        bare.direction("smile")
    with pytest.raises(ConfigError, match="`gestaltgen fit-direction`"):
        _ = bare.editor
    with pytest.raises(ConfigError, match=r"no inverter is known for generator.safetensors; train one"):
        bare.invert(some_faces(1))
    with pytest.raises(ConfigError, match="needs --inverter"):
        bare.invert_by(Method.HYPERSTYLE)


def test_a_judge_of_another_size_is_refused(files: EditorFiles, detector: FaceDetector, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    checkpoint.save(other, discriminator(32))
    for wrong in (other, files.generator):
        with pytest.raises(ConfigError, match="holds no discriminator of 64 px"):
            FaceEditor.open(replace(files, discriminator=wrong), detector)


def test_phantoms_are_read_by_networks_of_their_own_and_others_as_photographs(
    files: EditorFiles, detector: FaceDetector
) -> None:
    people = [nth_phantom(4, at) for at in range(3)]
    drawn = np.stack([draw_phantom(person, 128).image for person in people])
    truth = np.stack([draw_phantom(person, 128).landmarks for person in people])
    of_phantoms = FaceEditor.open(replace(files, oracle=weights.oracle(), landmarks=weights.landmarks()), detector)
    assert of_phantoms.reader(to_tensor(drawn)).conditions
    assert np.abs(of_phantoms.find(drawn) - truth).mean() < 1.5
    of_photographs = FaceEditor.open(files, detector)
    empty = np.zeros_like(drawn[:1])
    assert of_photographs.reader(to_tensor(empty)).condition is None
    assert np.isnan(of_photographs.find(empty)).all()


def test_a_smile_is_applied_by_a_warp_where_that_is_possible(
    files: EditorFiles, detector: FaceDetector, tmp_path: Path
) -> None:
    expression_model.save(tmp_path / "expression.safetensors", make_model(-0.3), "a phantom")
    opened = FaceEditor.open(
        replace(files, expression=tmp_path / "expression.safetensors", discriminator=None, inverter=None), detector
    )
    face_editor = replace(opened, reader=bright.read, find=lambda images: np.stack([draw_face()[1]] * len(images)))
    tuned, generated = replace(bright.face(0), method=Method.PTI), bright.face(0)
    assert face_editor.edit_smile(tuned, 0.9).applied == "warp"
    assert face_editor.edit_smile(tuned, 0.9, SmileEdit("latent")).applied == "latent"
    assert face_editor.edit_smile(tuned, 0.9, SmileEdit(local=False)).applied == "latent"
    assert face_editor.edit_smile(generated, 0.9).applied == "latent"
    for face, how in ((generated, SmileEdit("warp")), (tuned, SmileEdit("warp", local=False))):
        with pytest.raises(ConfigError, match="applied by a warp to photographs after pivotal tuning"):
            face_editor.edit_smile(face, 0.9, how)
