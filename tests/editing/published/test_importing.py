"""Directions of other programs, read for a tiny generator; "smile" is how bright its faces are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core.errors import CheckpointError, DirectionError
from editing import direction_file
from editing.published.importing import (
    ImportOptions,
    LatentSpace,
    PublishedDirection,
    import_directions,
    read_direction,
)
from gen import checkpoint
from gestaltgen.cli.main import app
from gestaltgen.cli.training import directions as command
from tests.core.formats.hostile_arrays import write_guessed_array
from tests.data.fill import filled
from tests.editing import bright
from tests.inversion.tiny import shared_generator

W, W_PLUS = LatentSpace.W, LatentSpace.W_PLUS
ROWS = shared_generator().config.num_ws


def write_npy(path: Path, values: np.ndarray) -> Path:
    np.save(path, values)
    return path


def write_pt(path: Path, values: object) -> Path:
    torch.save(values, path)
    return path


def test_boundaries_are_read_in_both_formats_and_spaces(tmp_path: Path) -> None:
    boundary = filled("boundary", (1, 16)).astype(np.float64)
    unit = torch.from_numpy(boundary[0] / np.linalg.norm(boundary)).float()
    for path in (write_npy(tmp_path / "w.npy", boundary), write_pt(tmp_path / "w.pt", torch.from_numpy(boundary))):
        torch.testing.assert_close(read_direction(path, W, ROWS, 16), unit)
    tiled = write_npy(tmp_path / "tiled.npy", np.tile(boundary, (ROWS, 1)).reshape(-1))  # flattened, rows alike
    torch.testing.assert_close(read_direction(tiled, W, ROWS, 16), unit)
    rows = filled("rows", (1, ROWS, 16))
    rows[0, 3:] = 0
    layers = read_direction(write_pt(tmp_path / "rows.pt", torch.from_numpy(rows)), W_PLUS, ROWS, 16)
    assert layers.shape == (ROWS, 16)
    assert layers.norm(dim=1).max().item() == pytest.approx(1)
    assert not layers[3:].any()  # layers where it does nothing stay so


def test_what_is_no_direction_of_this_generator_is_refused(tmp_path: Path) -> None:
    one, rows = np.ones((1, 16)), filled("rows", (1, ROWS, 16))
    for values, space, words in (
        (np.ones((1, 512)), W, "16 numbers"),
        (np.ones((1, 18, 16)), W_PLUS, f"{ROWS} rows"),
        (rows, W, "--space wplus"),
        (one, W_PLUS, "--space w$"),
        (one * 0, W, "zeros"),
        (one * np.nan, W, "not finite"),
    ):
        with pytest.raises(DirectionError, match=words):
            read_direction(write_npy(tmp_path / "d.npy", values), space, ROWS, 16)
    (tmp_path / "text.npy").write_text("no array")
    for path in (
        tmp_path / "text.npy",
        write_npy(tmp_path / "object.npy", np.array([{"a": 1}], dtype=object)),
        write_guessed_array(tmp_path / "guessed.npy"),
        write_pt(tmp_path / "dict.pt", {"a": 1}),
        write_pt(tmp_path / "code.pt", Path("x")),
        tmp_path / "absent.npy",
    ):
        with pytest.raises(CheckpointError, match=path.name):
            read_direction(path, W, ROWS, 16)


def test_effects_are_measured_and_a_direction_that_does_nothing_is_flagged(tmp_path: Path) -> None:
    smile = bright.brightness()
    right = write_npy(tmp_path / "smile.npy", smile.vector.numpy()[None])
    rows = smile.vector.expand(1, ROWS, -1).clone()
    rows[:, 2:] *= 1.0001  # not quite alike
    layered = write_pt(tmp_path / "layered.pt", rows)
    other = smile.vector.clone()
    other = torch.linalg.qr(torch.stack([other, torch.ones(16)], dim=1)).Q[:, 1]

    def measure(path: Path, space: LatentSpace, reverse: bool = False):  # type: ignore[no-untyped-def]
        return import_directions(
            shared_generator(),
            Path("ffhq.safetensors"),
            [PublishedDirection(path, "smile", reverse)],
            bright.read,
            ImportOptions(space, "MIT", tried=250),
        )

    found = measure(right, W)
    one, (effects,) = found.directions["smile"], found.table
    assert effects.slopes["smile"] > 0.05
    assert one.accuracy is not None
    assert one.accuracy > 0.8
    assert one.flags == ()
    assert one.origin["file"] == "smile.npy"
    assert found.licence == "MIT"
    against = measure(right, W, reverse=True)
    assert against.table[0].slopes["smile"] == pytest.approx(-effects.slopes["smile"], abs=0.02)
    assert any("--reverse smile" in flag for flag in against.directions["smile"].flags)
    by_layer = measure(layered, W_PLUS)
    assert by_layer.table[0].slopes["smile"] == pytest.approx(effects.slopes["smile"], abs=0.01)
    direction_file.save(tmp_path / "d.safetensors", by_layer)
    again = direction_file.load(tmp_path / "d.safetensors", shared_generator()).find("smile")
    assert again.pattern is not None
    assert again.pattern.shape == (ROWS, 16)
    edit = bright.editor().edit(bright.face(4), again, again.spread)
    torch.testing.assert_close(edit.w - bright.face(4).w, (again.spread * again.pattern)[None], rtol=1e-3, atol=1e-3)
    useless = measure(write_npy(tmp_path / "other.npy", other.numpy()), W)
    slope = useless.table[0].slopes["smile"]
    assert abs(slope) > 0.03 or any("another generator" in flag for flag in useless.directions["smile"].flags)


def test_a_generator_without_faces_leaves_the_effects_unmeasured(tmp_path: Path) -> None:
    def read_nothing(images):  # type: ignore[no-untyped-def]
        nothing = np.full(len(images), np.nan)
        return bright.FaceReading({"smile": nothing}, np.full((len(images), 4), np.nan), np.empty((len(images), 0)))

    path = write_npy(tmp_path / "d.npy", filled("d", (1, 16)))
    found = import_directions(
        shared_generator(),
        Path("g.safetensors"),
        [PublishedDirection(path, "smile")],
        read_nothing,
        ImportOptions(W, "MIT", tried=3),
    )
    assert found.table == ()
    assert found.directions["smile"].accuracy is None
    assert "no face is found" in found.directions["smile"].flags[0]
    direction_file.save(tmp_path / "d.safetensors", found)
    assert direction_file.load(tmp_path / "d.safetensors").directions["smile"].interval is None


def test_the_command_writes_a_file_beside_the_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "make_face_reader", lambda oracle, describer: bright.read)
    generator = tmp_path / "ffhq.safetensors"
    checkpoint.save(generator, shared_generator())
    smile = write_npy(tmp_path / "smile.npy", bright.brightness().vector.numpy()[None])
    wide = write_npy(tmp_path / "wide.npy", np.ones((1, 512)))
    out = tmp_path / "ffhq-directions.safetensors"

    def go(*arguments: object, code: int) -> str:
        common = ("--generator", generator, "--space", "w", "--licence", "MIT", "--tried", 20, "--threads", 1)
        result = CliRunner().invoke(app, ["directions", "import", *map(str, (*arguments, *common))])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    assert "--name once for each file" in go(smile, wide, "--name", "smile", code=1)
    assert "take the direction of this generator" in go(wide, "--name", "smile", code=1)
    assert "--reverse age" in go(smile, "--name", "smile", "--reverse", "age", code=1)
    assert not out.exists()
    assert "ffhq-directions.safetensors" in go(smile, "--name", "smile", code=0)
    assert direction_file.load(out, shared_generator()).find("smile").name == "smile"
    assert "exists" in go(smile, "--name", "smile", code=1)
