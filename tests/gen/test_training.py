from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from faces.errors import ConfigError
from gen import tensorfile
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.losses import discriminator_loss, generator_loss, r1_penalty
from gen.training import Trainer, TrainingConfig, TrainingImages, presets
from tests.gen.fixtures import discriminator_32, fixture

GENERATOR = GeneratorConfig(16, 16, 16, 2, channel_base=256, channel_max=16, vocabulary=Vocabulary())
DISCRIMINATOR = DiscriminatorConfig(16, channel_base=256, channel_max=16, vocabulary=Vocabulary(), mapping_layers=1)
CONFIG = TrainingConfig(batch=8, r1_interval=2, precision="float32")


def data(n: int = 40) -> TrainingImages:
    """Dark pictures of the first condition, bright ones of the last."""
    draw = torch.Generator().manual_seed(0)
    bright = torch.arange(n) % 2
    images = torch.randint(0, 60, (n, 3, 16, 16), generator=draw) + 180 * bright[:, None, None, None]
    labels = torch.stack([Vocabulary().encode("unaffected" if b else "WS", "child") for b in bright])
    return TrainingImages(images.to(torch.uint8), labels)


def trainer(config: TrainingConfig = CONFIG) -> Trainer:
    return Trainer(GENERATOR, DISCRIMINATOR, config, data())


def test_losses_are_the_logistic_ones() -> None:
    real, fake = torch.tensor([[2.0], [-1.0]]), torch.tensor([[0.5], [0.0]])
    log_sigmoid = torch.nn.functional.logsigmoid
    assert generator_loss(fake).item() == pytest.approx(-log_sigmoid(fake).mean().item())
    expected = -(log_sigmoid(real).mean() + (1 - fake.sigmoid()).log().mean())
    assert discriminator_loss(real, fake).item() == pytest.approx(expected.item())


def test_r1_penalty_is_the_references() -> None:
    f = fixture("r1_32")
    images = f["image"].requires_grad_()
    penalty = r1_penalty(images, discriminator_32()(images, f["c"]))
    torch.testing.assert_close(penalty.detach(), f["r1_penalty"], rtol=1e-3, atol=0)
    assert penalty.requires_grad


def states_differ(a: dict[str, Tensor], b: dict[str, Tensor]) -> list[str]:
    assert a.keys() == b.keys()
    return [name for name in a if not torch.equal(a[name], b[name])]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resumed_equals_uninterrupted(tmp_path: Path, precision: str) -> None:
    config = replace(CONFIG, precision=precision)  # type: ignore[arg-type]
    straight, stopped, resumed = trainer(config), trainer(config), trainer(config)
    for _ in range(7):
        last = straight.step()
    for _ in range(4):
        stopped.step()
    tensorfile.write(tmp_path / "state.safetensors", stopped.state_dict(), {})
    resumed.load_state_dict(tensorfile.read(tmp_path / "state.safetensors")[0])
    for _ in range(3):
        assert resumed.step().images_seen <= last.images_seen
    assert states_differ(straight.state_dict(), resumed.state_dict()) == []
    assert states_differ(straight.state_dict(), stopped.state_dict()) != []


def test_every_image_is_shown_once_an_epoch() -> None:
    run = trainer()
    shown = []
    for _ in range(5):
        shown += run._epoch_indices().tolist()
        run.iteration += 1
    assert sorted(shown) == list(range(40))


def test_mirroring_flips_left_and_right() -> None:
    images, labels = data().batch(torch.tensor([0, 0]), torch.tensor([False, True]))
    assert torch.equal(images[0].flip(2), images[1])
    assert torch.equal(labels[0], labels[1])
    assert images.min() >= -1
    assert images.max() <= 1


@pytest.mark.slow
def test_a_short_training_learns_what_the_label_means() -> None:
    """Dark for one condition, bright for the other: 150 steps are enough to tell them apart."""
    run = trainer(replace(CONFIG, r1_gamma=0.01, ema_halflife_images=100, ema_rampup=1.0))
    for _ in range(150):
        report = run.step()
    assert report.images_seen == 150 * 8
    z = torch.randn(64, 16, generator=torch.Generator().manual_seed(1))
    means = [
        run.average(z, Vocabulary().encode(condition, "child").expand(64, -1)).mean().item()
        for condition in ("WS", "unaffected")
    ]
    assert means[1] - means[0] > 0.5


def test_messages() -> None:
    with pytest.raises(ConfigError, match=r"training images are \(3, 16, 16\); expected \(3, 32, 32\)"):
        Trainer(replace(GENERATOR, resolution=32), DISCRIMINATOR, CONFIG, data())
    with pytest.raises(ConfigError, match="4 training images; expected at least one batch, 8"):
        Trainer(GENERATOR, DISCRIMINATOR, CONFIG, data(4))
    with pytest.raises(ConfigError, match="batch is 1; expected 2 or more"):
        TrainingConfig(batch=1)
    with pytest.raises(ConfigError, match="precision is 'float8'; expected one of float32, bfloat16"):
        TrainingConfig(precision="float8")  # type: ignore[arg-type]


def test_presets_are_values_of_the_sizes_they_name() -> None:
    for name, (generator, discriminator, _) in presets().items():
        assert generator.resolution == discriminator.resolution == int(name.removeprefix("phantom"))
