from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.errors import ConfigError, TrainingError
from gen.training.data import TrainingImages
from inversion.inverter import Inverter
from inversion.training.recipe import InversionTrainingConfig, OptimizerName, Stage
from inversion.training.trainer import InversionTrainer
from tests.forked_process import fork_python
from tests.inversion.tiny import ENCODER, HYPERNETWORK, some_faces, tiny_generator
from tests.inversion.training.tiny import data, trainer


@pytest.mark.parametrize(("optimizer", "steps"), [("ranger", 40), ("adamw", 20)])
def test_the_encoder_learns_faces_and_latents(optimizer: OptimizerName, steps: int) -> None:
    learning = trainer(real=False, optimizer=optimizer, learning_rate=0.006)
    reports = [learning.step() for _ in range(steps)]
    first, last = reports[:5], reports[-5:]
    assert sum(r.l2 for r in last) < 0.8 * sum(r.l2 for r in first)
    assert sum(r.latent for r in last) < 0.9 * sum(r.latent for r in first)
    assert learning.images_seen == reports[-1].images_seen == 8 * steps


def test_the_hypernetwork_learns_beside_a_frozen_encoder() -> None:
    learning = trainer("hypernetwork", learning_rate=0.02)
    frozen = {name: value.clone() for name, value in learning.inverter.w_encoder.state_dict().items()}
    reports = [learning.step() for _ in range(14)]
    assert sum(r.l2 for r in reports[-5:]) < 0.95 * sum(r.l2_encoder for r in reports[-5:]), "it begins at 1"
    assert all(torch.equal(frozen[n], v) for n, v in learning.inverter.w_encoder.state_dict().items())


def test_the_generator_stays_as_it_is() -> None:
    learning, before = trainer("hypernetwork"), tiny_generator().state_dict()
    learning.step()
    assert all(torch.equal(before[n], v) for n, v in learning.inverter.generator.state_dict().items())


def test_a_batch_is_part_real_and_part_generated() -> None:
    learning = trainer(batch=8, synthetic_share=0.25)
    images, latents = learning.make_batch(0)
    assert images.shape == (8, 3, 64, 64)
    known = ~latents.isnan().any(dim=1)
    assert known.tolist() == [True] * 2 + [False] * 6
    made = learning.inverter.generator.synthesize(latents[:2, None].expand(-1, 10, -1)).clamp(-1, 1)
    torch.testing.assert_close(images[:2], made)
    reals = {tuple(image.flatten()[:50].tolist()) for image in data().images.float() / 127.5 - 1}
    flipped = {tuple(image.flip(2).flatten()[:50].tolist()) for image in data().images.float() / 127.5 - 1}
    assert {tuple(image.flatten()[:50].tolist()) for image in images[2:]} <= reals | flipped


@pytest.mark.parametrize("stage", ["encoder", "hypernetwork"])
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(stage: Stage) -> None:
    straight, resumed = trainer(stage), trainer(stage)
    for _ in range(2):
        straight.step()
    resumed.load_state_dict({name: value.clone() for name, value in straight.state_dict().items()})
    for learning in (straight, resumed):
        for _ in range(2):
            learning.step()
    ours, theirs = resumed.state_dict(), straight.state_dict()
    assert [name for name, value in theirs.items() if not torch.equal(ours[name], value)] == []


WORKER = """
import sys, torch
from pathlib import Path
from safetensors.torch import save_file
from gen.training.distributed import processes_of_torchrun
from tests.inversion.training.tiny import trainer
torch.set_num_threads(1)
with processes_of_torchrun(torch.device("cpu")) as processes:
    for stage in ("encoder", "hypernetwork"):
        learning = trainer(stage, processes)
        reports = [learning.step() for _ in range(3)]
        if processes.first:
            tensors = {n: v.contiguous() for n, v in learning.state_dict().items()}
            save_file(tensors | {"losses": torch.tensor([r.l2 for r in reports])}, Path(sys.argv[1], stage))
threads = [task.joinpath("comm").read_text() for task in Path("/proc/self/task").iterdir()]
assert not any("gloo" in name for name in threads), threads  # they would abort the process now and then as it ends
"""


@pytest.fixture(scope="module")
def of_two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the state and the losses of either stage after three steps of two processes."""
    out = tmp_path_factory.mktemp("two")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with ExitStack() as stack:
        logs = [out / f"log-{rank}" for rank in range(2)]
        processes = [
            stack.enter_context(fork_python(WORKER, [str(out)], log, {"RANK": str(rank), **shared}))
            for rank, log in enumerate(logs)
        ]
        for process, log in zip(processes, logs, strict=True):
            process.join(120)
            assert process.exitcode == 0, log.read_text()
    return out


@pytest.mark.parametrize("stage", ["encoder", "hypernetwork"])
def test_two_processes_do_what_one_does(of_two_processes: Path, stage: Stage) -> None:
    one, two = trainer(stage), load_file(of_two_processes / stage)
    losses = torch.tensor([one.step().l2 for _ in range(3)])
    torch.testing.assert_close(two["losses"], losses, rtol=1e-4, atol=1e-6)
    for name, value in one.state_dict().items():
        if "running" in name or name.endswith("weight"):
            torch.testing.assert_close(two[name], value, rtol=2e-3, atol=2e-4, msg=lambda said, n=name: f"{n}: {said}")


def test_weights_that_are_no_numbers_are_not_saved() -> None:
    learning = trainer()
    learning.check_weights()
    torch.nn.init.constant_(learning.inverter.w_encoder.linear.weight, float("nan"))
    with pytest.raises(TrainingError, match=r"encoder\b.*\b0\b"):
        learning.check_weights()
    with pytest.raises(TrainingError, match=r"\b8\b"):
        learning.step()


def test_parts_that_do_not_fit_are_refused() -> None:
    inverter, config = Inverter(tiny_generator(), ENCODER, HYPERNETWORK), InversionTrainingConfig("encoder")
    with pytest.raises(ConfigError, match=r"\b4\b"):
        InversionTrainer(inverter, config, None)
    small = TrainingImages(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), data().labels[:4])
    with pytest.raises(ConfigError, match=r"\(3, 32, 32\).*\(3, 64, 64\)"):
        InversionTrainer(inverter, config, small)


@pytest.mark.parametrize(
    "settings",
    [
        {"stage": "both"},
        {"optimizer": "sgd"},
        {"precision": "float8"},
        {"batch": 1},
        {"passes": 0},
        {"l2_weight": -1.0},
        {"synthetic_share": 1.5},
        {"learning_rate": 0.0},
    ],
)
def test_recipes_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    ((name, value),) = settings.items()
    with pytest.raises(ConfigError, match=rf"\b{name}\b.*{value}"):
        replace(InversionTrainingConfig("encoder"), **settings)  # type: ignore[arg-type]


def test_all_of_it_may_be_computed_in_bfloat16() -> None:
    learning = trainer("hypernetwork", precision="bfloat16", batch=2, passes=1)
    report = learning.step()
    assert report.l2 > 0
    assert all(value.dtype == torch.float32 for value in learning.inverter.hypernet.parameters())
    assert some_faces(1).dtype == torch.float32
