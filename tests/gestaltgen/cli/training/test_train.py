"""`gestaltgen train` on a few phantoms of 16 px: through its runner, and as processes that are stopped and killed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from core import tensor_files
from core.heartbeat import Heartbeat
from core.seen_images import SeenImages
from core.stop_deadline import STOP_S
from faces.datasets.dataset import Dataset
from faces.labels import CONDITIONS
from faces.phantoms.phantom_dataset import synthesise
from gen import checkpoint
from gen.training import plan as plan_module
from gen.training import run as run_module
from gen.training.run import RunFolder, cells_sheet, progression_sheet
from gestaltgen.cli.main import app
from gestaltgen.cli.training import training_screen
from recognition.classifier import Classifier, build_network
from recognition.images.leakage import TrainingRecord
from tests.forked_process import PRELOADED, fork_python, wait_until
from tests.recognition.coloured import QUICK

COMMAND = "from gestaltgen.cli.main import app; app()"
TORCHRUN = f"""
import multiprocessing
from torch.distributed.run import main
multiprocessing.set_forkserver_preload({PRELOADED})  # imported once for all processes
main()
"""
IMAGES = 40
SETTINGS = (
    "batch=8",
    "r1_interval=3",
    "generator.z_dim=16",
    "generator.w_dim=16",
    "generator.channel_base=128",
    "generator.channel_max=8",
    "discriminator.channel_base=128",
    "discriminator.channel_max=8",
    "discriminator.mapping_layers=1",
    "discriminator.mbstd_group_size=2",
)
EVERYTHING = (
    "augment=bgc",
    "augment_p=0.3",
    "ada.interval=2",
    "ada.speed_kimg=1",
    "path_length_weight=2",
    "path_length_interval=2",
    "classifier_weight=1",
    "identity_weight=1",
    "generator_waits_images=8",
    "sampling=half_affected",
)
"""All that has a state, a random draw or a mean over the batch."""


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "phantoms.zip"
    synthesise(path, count=IMAGES, size=16, seed=0)
    return path


@pytest.fixture(autouse=True)
def no_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without sheets, which take most of the time of a snapshot of a tiny network."""
    for name in ("progression_sheet", "cells_sheet"):
        monkeypatch.setattr(run_module, name, lambda *_, **__: np.zeros((1, 1, 3), np.uint8))


def arguments(data: Path, out: Path, *extra: str, images: int = 32, settings: tuple[str, ...] = ()) -> list[str]:
    """Of a tiny training: steps of 8 images, a report and a snapshot every 16."""
    args = ["train", str(data), "--out", str(out), "--preset", "phantom", "--images", str(images), "--device", "cpu"]
    args += ["--snapshot", "16", "--report", "16", "--precision", "float32", "--threads", "1"]
    args += [word for setting in (*SETTINGS, *settings) for word in ("--set", setting)]
    return [*args, *extra]


def invoke(*args: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(args))


def train(*args: str) -> str:
    result = invoke(*args)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*args: str) -> str:
    """The one line with which a command is refused."""
    result = invoke(*args)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def logged(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def plan_line(output: str, name: str) -> str:
    """A row of the plan."""
    return next(line for line in output.splitlines() if line.startswith(f"{name}  ")).removeprefix(name).strip()


@contextmanager
def gestaltgen(log: Path, *args: str, before: str = "") -> Iterator[BaseProcess]:
    """A command in a process of its own, whose output goes to a file.

    Args:
        before: statements that are run first.
    """
    with fork_python(f"{before}\n{COMMAND}", args, log, {"COLUMNS": "200"}) as child:
        yield child


def send(number: signal.Signals, child: BaseProcess) -> None:
    assert child.pid is not None
    os.kill(child.pid, number)


def test_a_run_leaves_networks_state_log_and_sheets(
    phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sheet in (progression_sheet, cells_sheet):
        monkeypatch.setattr(run_module, sheet.__name__, sheet)
    out = tmp_path / "run"
    output = train(*arguments(phantoms, out, "--keep", "16", "--licence", "CC-BY-4.0"))
    made = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    sheets = {f"samples/0000000{n}-{name}.png" for n in (16, 32) for name in ("cells", "progressions")}
    kept = {f"kept/0000000{n}.safetensors" for n in (16, 32)}
    networks = {f"{name}.safetensors" for name in ("generator", "discriminator", "state")}
    assert made == sheets | kept | networks | {"log.jsonl", ".lock"}
    info = checkpoint.read_info(out / "generator.safetensors")
    assert (info.images_seen, info.licence) == (32, "CC-BY-4.0")
    assert info.origin == f"trained from scratch on {IMAGES} images of faces.phantom"
    assert info.training_counts["WS"]["infant"] == IMAGES // 20
    for line in logged(out):
        assert line.keys() == {
            *("time", "images_seen", "seconds_per_kimg", "peak_bytes", "augment_p", "path_length", "r1", "real_sign"),
            *("generator_loss", "discriminator_loss", "generator_gradient", "discriminator_gradient"),
            *("classification_real", "classification_fake", "identity_error", "identity_shift"),
            *("feature_loss", "feature_discriminator_loss", "condition_loss"),
        }
    assert re.search(
        r"^ +16 images  [\d.]+ s/kimg  left 0:\d\d:\d\d  G [\d.]+  D [\d.]+  labels [\d.]+/[\d.]+  R1 [\d.]+  "
        r"r_t [+-][\d.]+  p 0\.000  gradients \S+  [\d.]+ [MG]B$",
        output,
        re.MULTILINE,
    )
    assert re.search(
        r"^first step: [\d.]+ s per 1,000 images, start-up included; done in about [\d.]+ \w+, on \S+ at \d\d:\d\d$",
        output,
        re.MULTILINE,
    )
    assert output.endswith(f"done: {out}/generator.safetensors\n")


def test_a_dry_run_shows_the_plan_and_writes_nothing(phantoms: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    args = arguments(phantoms, out, "--sampling", "half_affected", "--dry-run", images=1000)
    output = train(*args)
    assert not out.exists()
    assert plan_line(output, "images") == "40 of 16 px"
    assert plan_line(output, "shown") == "affected 50.0% (of 30); unaffected 50.0% (of 10)"
    assert plan_line(output, "run") == "new, 125 steps to 1000 images"
    assert "r1_interval 3" in plan_line(output, "recipe")
    assert plan_line(output, "runs on") == "CPU, threads 1"
    assert re.fullmatch(r"generator [\d,]+ parameters, discriminator [\d,]+ parameters", plan_line(output, "networks"))
    train(*arguments(phantoms, out, "--sampling", "half_affected", images=16))
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    output = train(*args)
    assert re.match(
        r"resumes after 16 images, 123 steps to 1000 images, about 0:\d\d:\d\d at [\d.]+ s/kimg",
        plan_line(output, "run"),
    )
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_the_same_command_goes_on_and_logs_nothing_twice(phantoms: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(*arguments(phantoms, out, images=16))
    with (out / "log.jsonl").open("a") as log:
        log.write('{"images_seen": 32}\n')
    train(*arguments(phantoms, out, images=48))
    assert [line["images_seen"] for line in logged(out)] == [16, 32, 48]
    output = train(*arguments(phantoms, out, images=48))
    assert "resumes after 48 images, 0 steps" in output
    assert [line["images_seen"] for line in logged(out)] == [16, 32, 48]


def test_other_settings_are_refused_by_name_and_accepted_with_change(phantoms: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(*arguments(phantoms, out, images=16))
    other = arguments(phantoms, out, "--set", "r1_gamma=3", "--seed", "1")
    assert refused(*other, "--dry-run") == (told := refused(*other))
    assert re.search(r"training\.r1_gamma\b.*\b0\.03125\b.*\b3\.0\b.*training\.seed\b.*\b0\b.*\b1\b", told)
    assert str(out) in told
    assert "--change" in told
    assert RunFolder(out).images_seen() == 16
    assert re.search(r"training\.seed\b.*\b0\b.*\b1\b", train(*other, "--change"))
    told = refused(*arguments(phantoms, out, "--change", settings=("generator.channel_max=4",)))
    assert re.search(r"generator\.channel_max\b.*\b8\b.*\b4\b", told)
    assert "--change" not in told


def test_excluded_images_are_left_out_and_a_list_for_other_data_is_refused(phantoms: Path, tmp_path: Path) -> None:
    with Dataset.open(phantoms) as dataset:
        held_out = [record.file for record in dataset.records[:3]]
    names = tmp_path / "held_out.txt"
    names.write_text("# not these\n" + "\n".join(held_out))
    out = tmp_path / "run"
    output = train(*arguments(phantoms, out, "--exclude", str(names), images=16))
    assert plan_line(output, "images") == "37 of 16 px, 3 left out by --exclude"
    info = checkpoint.read_info(out / "generator.safetensors")
    assert sum(sum(ages.values()) for ages in info.training_counts.values()) == 37
    assert "on 37 images of" in info.origin
    told = refused(*arguments(phantoms, out))
    assert re.search(r"data\.images\b.*\b37\b.*\b40\b", told)
    names.write_text("somebody_else.jpg\n")
    told = refused(*arguments(phantoms, out, "--exclude", str(names)))
    assert str(names) in told


def test_a_small_run_grows_and_says_where_its_tensors_come_from(phantoms: Path, tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    output = train(*arguments(phantoms, small, "--size", "8", images=16))
    assert plan_line(output, "images") == "40 of 8 px"
    source, judge = small / "generator.safetensors", small / "discriminator.safetensors"
    warm = ("--from", str(source), "--discriminator-from", str(judge))
    output = train(*arguments(phantoms, large, *warm, images=16))
    for network in ("generator", "discriminator"):
        assert re.search(rf"^{network}: \d+ tensors copied, \d+ tensors adapted, \d+ tensors fresh", output, re.M)
    assert "  adapted  synthesis.b16.torgb.weight" in output
    assert "  adapted  b16.fromrgb.weight" in output
    assert "  unused   b8.fromrgb.weight" in output
    origin = checkpoint.read_info(large / "generator.safetensors").origin
    sha256 = tensor_files.sha256(source)
    assert origin.startswith("fine-tuned from generator.safetensors (trained from scratch on 40 images of ")
    assert f"; sha256 {sha256[:16]}) on 40 images of" in origin
    assert "--size 32" in refused(*arguments(phantoms, small, "--size", "32"))


def test_a_warm_start_begins_where_its_source_stands(phantoms: Path, tmp_path: Path) -> None:
    """With a learning rate of nearly nothing it ends there too."""
    first, second = tmp_path / "first", tmp_path / "second"
    train(*arguments(phantoms, first))
    source = first / "generator.safetensors"
    args = arguments(phantoms, second, "--from", str(source), images=16, settings=("learning_rate=1e-12",))
    assert "generator: " in train(*args)
    nets = [checkpoint.load_generator(run / "generator.safetensors") for run in (first, second)]
    for ours, theirs in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-6)
    output = train(*args)
    assert "resumes after 16 images" in output
    assert "generator: " not in output


def seen_of(run: Path) -> SeenImages:
    """What the networks of a run say that they were trained on, all alike."""
    [seen] = {checkpoint.read_info(run / f"{name}.safetensors").seen_images for name in ("generator", "discriminator")}
    return seen


def test_a_run_knows_its_images_and_those_of_the_networks_it_began_as(phantoms: Path, tmp_path: Path) -> None:
    others = tmp_path / "others.zip"
    synthesise(others, count=IMAGES, size=16, seed=1)
    of = {}
    for path in (phantoms, others):
        with Dataset.open(path) as dataset:
            of[path] = SeenImages.of(dataset.key(index) for index in range(len(dataset)))
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    train(*arguments(phantoms, first, "--size", "8", "--keep", "16", images=16))
    assert seen_of(first) == of[phantoms]
    assert checkpoint.read_info(first / "kept" / "000000016.safetensors").seen_images == of[phantoms]
    train(*arguments(others, second, "--from", str(first / "generator.safetensors"), images=16))
    assert seen_of(second) == of[phantoms] | of[others]
    train(*arguments(others, second, "--change", images=32))  # resumed, without naming the source again
    assert seen_of(second) == of[phantoms] | of[others]
    train(*arguments(phantoms, third, images=16))
    train(*arguments(others, third, "--change", images=32))
    assert seen_of(third) == of[phantoms] | of[others]
    assert "80 images by their keys\n" in invoke("weights", "show", str(third / "generator.safetensors")).output


def test_what_began_as_networks_that_do_not_say_it_is_incomplete(phantoms: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(*arguments(phantoms, first, images=16))
    path = first / "generator.safetensors"
    of, source = seen_of(first), checkpoint.load_generator(path)
    checkpoint.save(path, source)  # as an earlier version wrote it
    shown = invoke("weights", "show", str(path)).output
    assert "not stated: which images it was trained on is unknown" in shown
    train(*arguments(phantoms, second, "--from", str(path), images=16))
    assert seen_of(second) == SeenImages(of.keys, complete=False)
    shown = invoke("weights", "show", str(second / "generator.safetensors")).output
    assert "40 images by their keys, and others that are unknown" in shown
    train(*arguments(phantoms, first, images=32))  # a run of an earlier version that goes on
    assert seen_of(first) == SeenImages(of.keys, complete=False)


def test_a_run_with_a_classifiers_loss_knows_what_the_classifier_saw(phantoms: Path, tmp_path: Path) -> None:
    seen, classifier = SeenImages.of(["0123456789abcdef"]), tmp_path / "classifier.safetensors"
    network = build_network(QUICK, len(CONDITIONS))
    Classifier(network, CONDITIONS, QUICK, TrainingRecord.of("classifier", seen)).save(classifier)
    plain, conditioned = tmp_path / "plain", tmp_path / "conditioned"
    loss = ("--condition-loss", str(classifier), "--set", "condition_loss_weight=0.5")
    train(*arguments(phantoms, plain, images=16))
    output = train(*arguments(phantoms, conditioned, *loss, images=16))
    assert re.search(r"conditions \d", output)
    assert seen_of(conditioned) == seen_of(plain) | seen
    assert "condition loss of classifier " in (checkpoint.read_info(conditioned / "generator.safetensors").origin or "")
    assert "condition_loss" in refused(*arguments(phantoms, conditioned, images=32))
    assert "--condition-loss CLASSIFIER" in refused(*arguments(phantoms, tmp_path / "other", *loss[2:], images=32))


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (("--preset", "huge"), "'huge'"),
        (("--set", "gamma=1"), "'gamma'"),
        (("--set", "batch=0"), "batch"),
        (("--sampling", "fair"), "'fair'"),
        (("--sampling", "absent.json"), "absent.json"),
        (("--images", "0"), "images"),
        (("--from", "absent.safetensors"), "absent.safetensors"),
        (("--discriminator-from", "d.safetensors"), "--discriminator-from d.safetensors"),
        (("--precision", "float16"), "float16"),
        (("--condition-loss", "absent.safetensors", "--set", "condition_loss_weight=1"), "absent.safetensors"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    phantoms: Path, tmp_path: Path, extra: tuple[str, ...], named: str
) -> None:
    out = tmp_path / "run"
    assert named in refused(*arguments(phantoms, out, *extra))
    assert not out.exists()


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (("--set", "r1_gamma"), "'r1_gamma'"),
        (("--device", "tpu"), "'tpu'"),
    ],
)
def test_wrong_usage_is_told(phantoms: Path, tmp_path: Path, extra: tuple[str, ...], named: str) -> None:
    result = invoke(*arguments(phantoms, tmp_path / "run", *extra))
    assert result.exit_code == 2
    assert named in " ".join(re.sub("[│╭╮╰╯─]", " ", result.output).split())


def test_tensorboard_is_refused_where_it_is_not_installed(
    phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    told = refused(*arguments(phantoms, tmp_path / "run", "--tensorboard"))
    assert "--tensorboard" in told


def test_auto_looks_at_the_machine(phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "multiplications_per_second", lambda threads, bfloat16: 2e10)
    output = train("train", str(phantoms), "--out", str(tmp_path / "run"), "--device", "cpu", "--dry-run")
    assert plan_line(output, "preset") == "cpu, chosen by auto for a CPU; --preset gpu takes full-size networks"
    assert re.match(r"CPU, \d+ cores?(, [\d.]+ [MG]B free)?$", plan_line(output, "machine"))
    assert re.match(r"about [\d.]+ (seconds|minutes|hours) by the size of the networks", plan_line(output, "takes"))
    assert "warning" not in output


def test_a_run_that_does_not_fit_is_warned_of_with_one_that_does(
    phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "multiplications_per_second", lambda threads, bfloat16: 2e10)
    out = tmp_path / "run"
    args = ("train", str(phantoms), "--out", str(out), "--preset", "gpu", "--device", "cpu", "--dry-run")
    output = train(*args, "--set", "batch=8", "--exclude", str(_names(tmp_path, phantoms)))
    assert re.search(
        r"^warning: this run takes about [\d.]+ days and about [\d.]+ [MG]B of memory, on CPU", output, re.M
    )
    command = re.search(r"^  this fits \(about [\d.]+ hours, [\d.]+ [MG]B\): (.*)$", output, re.M)
    assert command is not None
    words = shlex.split(command[1])
    assert words[:7] == ["gestaltgen", "train", str(phantoms), "--out", str(out), "--preset", "cpu"]
    assert "warning" not in train(*words[1:], "--dry-run", "--device", "cpu")


def _names(folder: Path, data: Path) -> Path:
    """A list of one image to leave out."""
    names = folder / "left_out.txt"
    with Dataset.open(data) as dataset:
        names.write_text(dataset.records[0].file)
    return names


def test_a_run_names_what_it_does(phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    activities: list[str] = []

    class RecordingHeartbeat(Heartbeat):
        def begin(self, activity: str) -> None:
            activities.append(activity)

    monkeypatch.setattr(training_screen, "Heartbeat", RecordingHeartbeat)
    train(*arguments(phantoms, tmp_path / "run", images=16))
    assert any(re.fullmatch(r"reading \S+phantoms.zip", activity) for activity in activities)
    assert "training, 0 images shown" in activities


def test_a_long_origin_is_shortened() -> None:
    chain = "trained from scratch on 40 images of faces.phantom"
    for _ in range(5):
        chain = f"fine-tuned from generator.safetensors ({chain}; sha256 {'0' * 16}) on 40 images of portraits.zip"
    shown = training_screen.shorten(chain)
    assert len(shown) <= 160
    assert shown.startswith("fine-tuned from generator.safetensors (fine-tuned from")
    assert shown.endswith("on 40 images of portraits.zip")
    assert training_screen.shorten("trained from scratch") == "trained from scratch"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_it_starts_takes_under_20_seconds(phantoms: Path, tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "output"
    with gestaltgen(log, *arguments(phantoms, tmp_path / "run", images=100_000)) as child:
        wait_until(lambda: b"runs on" in log.read_bytes(), child, log)
        began = time.monotonic()
        send(number, child)
        child.join(60)
        assert child.exitcode is not None
        assert time.monotonic() - began < 20


def test_a_stop_in_the_middle_of_a_slow_step_takes_under_20_seconds(phantoms: Path, tmp_path: Path) -> None:
    """The step is one operation of many minutes, during which Python runs no signal handler."""
    out, log = tmp_path / "run", tmp_path / "output"
    assert STOP_S < 15  # shortened below, so that the operation computes for less time
    slow = (
        "import functools, hashlib, gestaltgen.cli.training.train as command, "
        "gestaltgen.cli.training.training_screen as screen; from gen.training.trainer import Trainer; "
        "command.enforce_stop = functools.partial(command.enforce_stop, seconds=0.5); "
        "screen.Heartbeat = functools.partial(screen.Heartbeat, silence_s=0.1); "
        "Trainer.step = lambda self: hashlib.pbkdf2_hmac('sha256', b'', b'', 2 * 10**9)"
    )
    with gestaltgen(log, *arguments(phantoms, out, images=100_000), before=slow) as child:
        wait_until(lambda: b"training, 0 images shown: " in log.read_bytes(), child, log)
        began = time.monotonic()
        send(signal.SIGTERM, child)
        child.join(60)
        assert child.exitcode == 128 + signal.SIGTERM
        assert time.monotonic() - began < 20
    told = "stopped by SIGTERM in the middle of a step; no snapshot was saved yet; the same command goes on"
    assert told in log.read_text()


def test_sigterm_stops_with_a_snapshot(phantoms: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "output"
    with gestaltgen(log, *arguments(phantoms, out, "--snapshot", "100000", images=100_000)) as child:
        wait_until((out / "log.jsonl").exists, child, log)
        send(signal.SIGTERM, child)
        child.join(30)
        assert child.exitcode == 128 + signal.SIGTERM
    stands = RunFolder(out).images_seen()
    assert stands is not None
    assert stands >= 16
    assert log.read_text().endswith(f"stopped by SIGTERM after {stands} images; the same command goes on\n")
    assert checkpoint.read_info(out / "generator.safetensors").images_seen == stands


def test_a_run_killed_between_two_snapshots_ends_like_one_that_was_not(phantoms: Path, tmp_path: Path) -> None:
    killed, straight, log = tmp_path / "killed", tmp_path / "straight", tmp_path / "output"

    def to(images: int, out: Path, snapshot: int = 40) -> list[str]:
        return arguments(phantoms, out, "--snapshot", str(snapshot), images=images, settings=EVERYTHING)

    with gestaltgen(log, *to(100_000, killed)) as child:
        wait_until((killed / "state.safetensors").exists, child, log)
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
    stands = RunFolder(killed).images_seen()
    assert stands is not None
    end = (stands // 16 + 2) * 16  # a report is due between, and one at the end
    assert f"resumes after {stands} images" in train(*to(end, killed))
    train(*to(end, straight, snapshot=end))
    for name in ("generator", "discriminator", "state"):
        ours, theirs = (tensor_files.read(run / f"{name}.safetensors")[0] for run in (killed, straight))
        assert [tensor for tensor in ours if not torch.equal(ours[tensor], theirs[tensor])] == []
    assert [line["images_seen"] for line in logged(killed)] == list(range(16, end + 1, 16))


def test_two_processes_train_as_one(phantoms: Path, tmp_path: Path) -> None:
    """Started by torchrun, as the help says; only sums of halves are rounded differently from those of the whole."""
    one, two, log = tmp_path / "one", tmp_path / "two", tmp_path / "output"
    every_step = ("--report", "8", "--snapshot", "1000")
    train(*arguments(phantoms, one, *every_step, images=48, settings=EVERYTHING))
    script = tmp_path / "command.py"
    script.write_text("from gestaltgen.cli.main import app; app(standalone_mode=False)")
    torchrun = ("--standalone", "--nproc-per-node", "2", "--start-method", "forkserver", "--run-path", str(script))
    args = arguments(phantoms, two, *every_step, images=48, settings=EVERYTHING)
    with fork_python(TORCHRUN, [*torchrun, *args], log) as child:
        child.join(300)
        assert child.exitcode == 0, log.read_text()
    assert log.read_text().count("done: ") == 1
    assert "2 processes with 4 images of a batch each" in log.read_text()
    lines = [logged(run) for run in (one, two)]
    assert len(lines[0]) == 6
    unlike = {"time", "seconds_per_kimg", "peak_bytes"}
    for ours, theirs in zip(*lines, strict=True):
        for name in ours.keys() - unlike:
            assert theirs[name] == pytest.approx(ours[name], rel=1e-5, abs=1e-7), (name, ours["images_seen"])
