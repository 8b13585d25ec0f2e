"""`gestaltgen weights`, through its runner."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from core.atomic_files import write_file
from core.seen_images import SeenImages
from faces.datasets.dataset import Dataset
from faces.images import encode_png
from faces.phantoms.phantom_dataset import synthesise
from gen import checkpoint
from gen.networks import Generator
from gestaltgen.cli.main import app
from gestaltgen.cli.options import find_editor_files
from inversion import inverter_file
from tests.gen.fixtures import G32, fixture, generator_32, published_tensors
from tests.gen.published.rosinality_files import generator_tensors
from tests.gen.published.stylegan2_ada_files import SOURCE, generator_kwargs, module, write_stylegan2_ada_pickle
from tests.inversion.published.published_files import write_encoder, write_hyperstyle, write_w_encoder

LABELS = [argument for name in ("WS", "22q11DS", "other", "unaffected") for argument in ("--condition", name)]


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(app, ["weights", *map(str, args)])


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    tensors = {**published_tensors("generator_cond_32")}
    source = SOURCE.format(sentinel=str(tmp_path / "sentinel"))
    return write_stylegan2_ada_pickle(
        tmp_path / "net.pkl", {"G_ema": module("Generator", generator_kwargs(G32), tensors, source)}
    )


@torch.no_grad()
def test_a_stylegan2_ada_pickle_becomes_a_checkpoint(pickled: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "net.safetensors"
    result = run("import", pickled, "--out", out, *LABELS)
    assert result.exit_code == 0, result.output
    for name in published_tensors("generator_cond_32"):
        assert name in result.output
    assert "-> mapping.embed.condition_weight, mapping.embed.age_weight (split)" in result.output
    assert "left in the file: training_set_kwargs: no network" in result.output
    f, net = fixture("generator_cond_32"), checkpoint.load_generator(out)
    assert (net(f["z"], f["c"]) - f["image_const"]).abs().max() < 2e-4
    info = checkpoint.read_info(out)
    assert info.origin.startswith("imported from G_ema of net.pkl (NVIDIA's StyleGAN2-ADA pickle), sha256 ")
    assert "non-commercial use only (assumed" in info.licence
    assert not (tmp_path / "sentinel").exists()
    shown = run("show", out).output
    assert "our checkpoint" in shown
    assert "WS, 22q11DS, other, unaffected" in shown
    assert "older_adult [35, inf)" in shown
    assert info.sha256 in shown
    again = run("import", pickled, "--out", out, *LABELS)
    assert again.exit_code == 1
    assert str(out) in again.stderr


def test_what_is_refused_leaves_no_file(pickled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    for arguments, value in (
        ((), "9"),
        ((*LABELS, "--age", "all:0-"), "5"),
        (("--age", "all:0-"), "--condition"),
        ((*LABELS, "--age", "infant"), "'infant'"),
        ((*LABELS, "--age", "infant:2-1"), "[2.0, 1.0)"),
        ((*LABELS, "--part", "D"), "'D'"),
    ):
        result = run("import", pickled, "--out", out, *arguments)
        assert result.exit_code == 1
        assert value in result.stderr
        assert not out.exists()
    assert run("import", pickled, "--out", out, "--part", "H").exit_code == 2


def test_files_that_state_no_licence_need_one(tmp_path: Path) -> None:
    net = Generator(replace(G32, vocabulary=None))
    path, out = tmp_path / "net.pt", tmp_path / "out.safetensors"
    torch.save({"g_ema": generator_tensors(net), "latent_avg": torch.ones(64), "args\x1b": 1}, path)
    result = run("import", path, "--out", out)
    assert result.exit_code == 1
    assert "--licence" in result.stderr
    assert not out.exists()
    result = run(
        "import", path, "--out", out, "--licence", "CC-BY-4.0", "--origin", "trained here", "--conv-clamp", 256
    )
    assert result.exit_code == 0, result.output
    assert "not needed: constant, built in" in result.output
    assert "left in the file: args?: no network" in result.output
    info = checkpoint.read_info(out)
    assert (info.licence, info.origin, info.config.conv_clamp) == ("CC-BY-4.0", "trained here", 256)
    assert "G_ema: " in run("show", path).output


def test_our_own_checkpoint_keeps_what_it_says(tmp_path: Path) -> None:
    path, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    counts = {"WS": {"infant": 3}}
    seen = SeenImages.of(["ab" * 32])
    about = {"origin": "phantoms", "licence": "CC0-1.0", "images_seen": 7, "training_counts": counts, "seen": seen}
    checkpoint.save(path, generator_32(), **about)
    assert run("import", path, "--out", out).exit_code == 0
    info = checkpoint.read_info(out)
    assert (info.licence, info.images_seen, info.training_counts) == ("CC0-1.0", 7, counts)
    assert info.seen_images == seen
    assert info.origin.startswith("phantoms; imported from G_ema of a.safetensors")


def test_import_can_be_told_what_weights_were_trained_on(tmp_path: Path) -> None:
    faces, begun_from, path = tmp_path / "faces.zip", tmp_path / "base.safetensors", tmp_path / "a.safetensors"
    synthesise(faces, count=3, size=8, seed=1)
    about = {"origin": "phantoms", "licence": "CC0-1.0"}
    checkpoint.save(begun_from, generator_32(), seen=SeenImages.of(["ab" * 32]), **about)
    checkpoint.save(path, generator_32(), **about)
    with Dataset.open(faces) as dataset:
        keys = {dataset.key(index)[:16] for index in range(3)}
    out = tmp_path / "b.safetensors"
    assert run("import", path, "--out", out, "--trained-on", faces, "--trained-on", begun_from).exit_code == 0
    assert checkpoint.read_info(out).seen_images == SeenImages(frozenset(keys | {"ab" * 8}))
    result = run("import", path, "--out", tmp_path / "c.safetensors", "--trained-on", tmp_path / "absent.zip")
    assert result.exit_code != 0
    assert "absent.zip" in result.output
    assert not (tmp_path / "c.safetensors").exists()


def test_the_help_gives_examples() -> None:
    text = " ".join(run("import", "--help").output.replace("│", " ").split())
    for words in ("No code in the file is run", "--licence", "no commercial use"):
        assert words in text


@torch.no_grad()
def test_centring_keeps_images_and_moves_the_truncated_ones(tmp_path: Path) -> None:
    source, out = tmp_path / "net.safetensors", tmp_path / "centred.safetensors"
    seen = SeenImages.of(["ab" * 32])
    checkpoint.save(source, generator_32(), origin="somewhere", licence="Apache-2.0", images_seen=7, seen=seen)
    result = run("centre", source, "--out", out)
    assert result.exit_code == 0, result.output
    old, new, f = generator_32(), checkpoint.load_generator(out), fixture("generator_cond_32")
    assert torch.equal(new(f["z"], f["c"]), old(f["z"], f["c"]))
    half = new.map(f["z"], f["c"], truncation=0.5)
    assert (half - old.map(f["z"], f["c"], truncation=0.5)).abs().max() > 0.01
    torch.testing.assert_close(half[:, 0], (new.map(f["z"], f["c"])[:, 0] + new.mapping.centre(f["c"])) / 2)
    info = checkpoint.read_info(out)
    assert (info.origin, info.images_seen) == ("somewhere; truncation centred on labels", 7)
    assert info.seen_images == seen
    assert str(out) in run("centre", source, "--out", out).stderr
    unlabelled = tmp_path / "unlabelled.safetensors"
    checkpoint.save(unlabelled, Generator(replace(G32, vocabulary=None)))
    assert run("centre", unlabelled, "--out", tmp_path / "no.safetensors").exit_code == 1
    assert not (tmp_path / "no.safetensors").exists()


def test_a_compact_generator_is_half_as_large_and_computes_in_float32(tmp_path: Path) -> None:
    source, out, again = (tmp_path / f"{name}.safetensors" for name in ("net", "compact", "again"))
    checkpoint.save(source, generator_32(), origin="somewhere", licence="Apache-2.0", images_seen=7)
    result = run("compact", source, "--out", out)
    assert result.exit_code == 0, result.output
    assert out.stat().st_size < 0.6 * source.stat().st_size
    old, new, f = generator_32(), checkpoint.load_generator(out), fixture("generator_cond_32")
    rounded = {name: value.half().float() for name, value in old.state_dict().items()}
    assert all(torch.equal(value, rounded[name]) for name, value in new.state_dict().items())
    image = checkpoint.load_for_inference(out).synthesize(new.map(f["z"], f["c"]).numpy())
    torch.testing.assert_close(torch.from_numpy(image), new(f["z"], f["c"]), atol=1e-4, rtol=1e-4)
    assert checkpoint.read_info(out).header == checkpoint.read_info(source).header
    assert run("compact", out, "--out", again).exit_code == 0
    assert again.read_bytes() == out.read_bytes()


def test_values_beyond_float16_are_not_stored_in_it(tmp_path: Path) -> None:
    source, out = tmp_path / "net.safetensors", tmp_path / "compact.safetensors"
    large = generator_32()
    large.mapping.w_avg[0] = 1e6
    checkpoint.save(source, large)
    assert "mapping.w_avg has values that float16 cannot hold" in run("compact", source, "--out", out).stderr
    assert not out.exists()


def test_a_generator_is_exported_as_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    source, out = tmp_path / "net.safetensors", tmp_path / "net.onnx"
    checkpoint.save(source, generator_32(), origin="somewhere", licence="Apache-2.0")
    result = run("export", source, "--onnx", out)
    assert result.exit_code == 0, result.output
    assert "no basis for a diagnosis" in result.output
    assert out.stat().st_size > 100_000
    assert run("export", source, "--onnx", out, "--latents").exit_code == 1


def test_hyperstyle_becomes_a_generator_and_an_inverter_beside_it(tmp_path: Path) -> None:
    checkpoint_file, encoder = write_hyperstyle(tmp_path / "h.pt"), write_w_encoder(tmp_path / "w.pt")
    assert "inverter: HyperStyle" in run("show", checkpoint_file).output
    out = tmp_path / "models" / "ffhq.safetensors"
    common = ("import", checkpoint_file, "--part", "inverter", "--out", out)
    for arguments, words in (
        (("--w-encoder", encoder), "--licence"),
        (("--licence", "MIT"), "--w-encoder"),
        (("--licence", "MIT", "--w-encoder", encoder, "--condition", "WS"), "--condition"),
        (("--licence", "MIT", "--w-encoder", checkpoint_file), "no encoder"),
    ):
        result = run(*common, *arguments)
        assert result.exit_code == 1
        assert words in result.stderr
        assert not out.parent.exists() or not list(out.parent.iterdir())
    result = run(*common, "--licence", "MIT", "--w-encoder", encoder)
    assert result.exit_code == 0, result.output
    assert "unjudged" in result.output
    beside = out.with_name("ffhq-inverter.safetensors")
    inverter = inverter_file.load(beside, checkpoint.load_generator(out))
    info = inverter_file.read_info(beside)
    assert (info.licence, info.limits) == ("MIT", None)
    assert "HyperStyle (h.pt, sha256" in info.origin
    assert inverter.least_gain is None  # all passes, as published
    assert find_editor_files(out).inverter == beside
    out.unlink()
    result = run(*common, "--licence", "MIT", "--w-encoder", encoder)
    assert result.exit_code == 1
    assert str(beside) in result.stderr
    assert not out.exists()
    assert run("import", checkpoint_file, "--w-encoder", encoder, "--out", out, "--licence", "MIT").exit_code == 2


def test_limits_from_held_out_photographs_end_the_unjudged_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The networks hold random numbers: without this their reconstructions would be out of domain by the eyes alone.
    monkeypatch.setattr("inversion.quality.compare_eyes", lambda shown, target: torch.ones(len(shown)))
    out, faces = tmp_path / "ffhq.safetensors", tmp_path / "faces.zip"
    e4e = write_encoder(tmp_path / "e4e.pt", "Encoder4Editing")
    assert run("import", e4e, "--part", "inverter", "--out", out, "--licence", "MIT").exit_code == 0
    synthesise(faces, count=20, size=64, seed=1)
    with Dataset.open(faces) as dataset:
        write_file(tmp_path / "face.png", encode_png(dataset.image(0)))

    def go(*arguments: object) -> str:
        result = CliRunner().invoke(app, [*map(str, arguments), "--generator", str(out), "--threads", "1"])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    invert = ("invert", tmp_path / "face.png", "--aligned", "--no-identity", "--out", tmp_path / "out")
    assert "--write-limits" in go(*invert)
    report = (tmp_path / "out" / "report.csv").read_text()
    assert "unjudged" in report
    inverter = tmp_path / "ffhq-inverter.safetensors"
    common = ("--optimised", 0, "--described", 0, "--out", tmp_path / "evaluation", "--write-limits")
    go("evaluate-inversion", inverter, "--data", faces, "--count", 20, *common)
    limits = inverter_file.read_info(inverter).limits
    assert limits is not None
    assert limits.faces == 20
    assert "unjudged" not in go(*invert)
