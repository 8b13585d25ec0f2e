from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core import tensor_files
from core.errors import ConfigError, TrainingError
from gen.augment import AugmentPipe
from gen.augmentation.ada import AdaConfig
from gen.labels import Vocabulary
from gen.training.data import TrainingImages
from gen.training.distributed import Processes
from gen.training.features import FeatureTraining
from gen.training.losses import path_lengths, r1_penalty
from gen.training.recipe import TrainingConfig
from gen.training.trainer import Trainer
from tests.gen.face_features.face_networks import write_network
from tests.gen.training.tiny import DISCRIMINATOR, EVERYTHING, GENERATOR, PLAIN, data, states_differ, trainer


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resumed_equals_uninterrupted(tmp_path: Path, precision: str) -> None:
    """With everything that has a state: the controller's p between two decisions, the path length, the samplers, the
    discriminator on face features."""
    network = str(write_network(tmp_path))
    config = replace(EVERYTHING, precision=precision, feature_weight=1, feature_network=network)  # type: ignore[arg-type]
    straight, resumed = trainer(config), trainer(config)
    reports = [straight.step() for _ in range(3)]
    tensor_files.write(tmp_path / "state.safetensors", straight.state_dict(), {})
    saved = tensor_files.read(tmp_path / "state.safetensors")[0]
    resumed.load_state_dict(saved)
    reports += [straight.step() for _ in range(2)]
    assert [resumed.step() for _ in range(2)] == reports[3:]
    assert states_differ(straight.state_dict(), resumed.state_dict()) == []
    assert states_differ(straight.state_dict(), saved) != []
    assert reports[-1].augment_p != reports[0].augment_p
    assert reports[-1].path_length > 0


def test_a_run_goes_on_with_face_features(tmp_path: Path) -> None:
    """The generator learns from both discriminators; the heads begin new, and what was there before stays."""
    plain, featured = trainer(), trainer(feature_weight=1, feature_network=str(write_network(tmp_path)))
    plain.step()
    before = plain.state_dict()
    featured.load_state_dict(before)
    assert states_differ(before, {name: featured.state_dict()[name] for name in before}) == []
    without, with_features = plain.step(), featured.step()
    assert (without.feature_loss, without.feature_discriminator_loss) == (0, 0)
    assert with_features.generator_loss == without.generator_loss
    assert with_features.feature_discriminator_loss > 0
    after = plain.state_dict()
    moved = states_differ(after, {name: featured.state_dict()[name] for name in after})
    assert "generator.synthesis.b16.conv1.weight" in moved


def test_face_features_are_standardised_by_images_of_the_whole_data_set(tmp_path: Path) -> None:
    """Data sets that are sorted by condition begin with one of them."""
    config = replace(PLAIN, feature_weight=1, feature_network=str(write_network(tmp_path)))  # type: ignore[arg-type]
    states = []
    for later in (0, 200):
        images = torch.zeros(128, 3, 16, 16, dtype=torch.uint8)
        images[64:, :, 8:] = later
        torch.manual_seed(0)
        images_of_run = TrainingImages(images, torch.zeros(128, 1))
        states.append(FeatureTraining(config, images_of_run, torch.device("cpu"), Processes()).state_dict())
    assert any("running_mean" in name for name in states_differ(*states))


def test_a_run_says_which_network_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GESTALTGEN_JUDGES", raising=False)
    with pytest.raises(ConfigError):
        trainer(feature_weight=1)


def test_the_controller_raises_p_while_the_discriminator_is_sure() -> None:
    ada = AdaConfig(target=-0.99, interval=2, speed_kimg=0.1)
    run = trainer(EVERYTHING, ada=ada, augment_p=0.0)
    p = [run.step().augment_p for _ in range(5)]
    step = 8 * 2 / 100
    assert p == pytest.approx([0, 0, step, step, 2 * step])
    assert trainer(EVERYTHING, ada=None).step().augment_p == 0.3


def test_the_discriminator_sees_all_images_through_the_augmentation() -> None:
    plain, augmented = trainer(classifier_weight=1), trainer(augment="bgc", augment_p=1.0, classifier_weight=1)
    one, other = plain.step(), augmented.step()
    assert one.generator_loss != other.generator_loss
    assert one.classification_real != other.classification_real
    assert one.r1 != other.r1


def test_r1_through_the_augmentation_has_the_numeric_gradient() -> None:
    """Of a smooth network, since that of leaky ReLUs has a gradient with jumps."""
    draw = torch.Generator().manual_seed(0)
    pipe = AugmentPipe(xflip=1, xint=1, scale=1, rotate=1, aniso=1, xfrac=1, brightness=1, contrast=1, hue=1)
    images = torch.randn(3, 3, 16, 16, generator=draw, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(4, 3, 3, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(4, 3, 3, 3, generator=draw, dtype=torch.float64)

    def penalty(kernel: Tensor) -> Tensor:
        seen = pipe(images, generator=torch.Generator().manual_seed(1))
        return r1_penalty(images, torch.conv2d(seen, kernel).tanh().sum(dim=(1, 2, 3))).mean()

    (gradient,) = torch.autograd.grad(penalty(kernel), kernel)
    ahead, behind = (penalty((kernel + step * direction).detach()).item() for step in (1e-5, -1e-5))
    assert (ahead - behind) / 2e-5 == pytest.approx((gradient * direction).sum().item(), rel=1e-5)


def test_r1_through_the_augmentation_is_finite_for_the_discriminator() -> None:
    run = trainer(augment="bgcfnc", augment_p=1.0, r1_interval=1)
    assert run.step().r1 > 0
    run.check_weights()


@pytest.mark.parametrize(("name", "interval"), [("_generator_optimizer", 4), ("_discriminator_optimizer", 16)])
def test_lazy_penalties_correct_the_pace_of_the_optimiser(name: str, interval: int) -> None:
    def group(**changes: float) -> tuple[float, float]:
        run = trainer(r1_interval=16, **{"path_length_weight": 2, **changes})
        (settings,) = getattr(run, name)._adam.param_groups
        return settings["lr"], settings["betas"][1]

    pace = interval / (interval + 1)
    assert group() == pytest.approx((0.0025 * pace, 0.99**pace))
    assert group(path_length_weight=0, r1_gamma=0) == pytest.approx((0.0025, 0.99))


def test_path_lengths_draw_near_their_mean() -> None:
    """The mean begins at 0 and is slow, so that the penalty shortens the paths."""

    def train_and_measure(weight: float) -> float:
        """Mean squared distance of path lengths to their slow mean after some steps."""
        run = trainer(path_length_weight=weight, path_length_interval=1, learning_rate=0.01)
        reports = [run.step() for _ in range(8)]
        assert all(report.path_length > 0 for report in reports)
        draw = torch.Generator().manual_seed(9)
        w = run.generator.map(torch.randn(32, 16, generator=draw), run.data.labels[:32]).detach().requires_grad_()
        images = run.generator.synthesize(w, "none")
        lengths = path_lengths(images, w, torch.randn(images.shape, generator=draw)).detach()
        return (lengths - reports[-1].path_length).square().mean().item()

    assert train_and_measure(100) < 0.6 * train_and_measure(1e-9)
    assert trainer().step().path_length == 0


def test_an_image_is_classified_by_the_label_it_has_and_the_one_it_was_asked_for() -> None:
    run = trainer(classifier_weight=5)
    first = run.step()
    for _ in range(15):
        last = run.step()
    assert last.classification_real < first.classification_real
    assert trainer().step().classification_real == 0


def test_who_it_is_is_read_from_real_images() -> None:
    run = trainer(identity_weight=3, r1_gamma=0, batch=16, learning_rate=0.01)
    errors = [run.step().identity_error for _ in range(40)]
    assert sum(errors[-5:]) < 0.75 * sum(errors[:5])
    plain = trainer().step()
    assert (plain.identity_error, plain.identity_shift) == (0, 0)


def test_the_generator_is_held_to_one_person() -> None:
    """By nothing but the weight of it: the same step with more of it moves the generator elsewhere."""
    little, much = trainer(identity_weight=1e-9, seed=1), trainer(identity_weight=100, seed=1)
    assert little.step().identity_shift == much.step().identity_shift > 0
    moved = states_differ(little.generator.state_dict(), much.generator.state_dict())
    assert {"mapping.fc0.weight", "synthesis.b16.conv1.weight"} <= set(moved)


def test_pairs_have_one_random_vector_and_their_own_labels() -> None:
    run = trainer(identity_weight=1)
    part = run._inputs.draw_share(1, "generator")
    labels, (z, second) = part.labels(), part.styles(16, 6, paired=True)
    assert torch.equal(z[:, ::2], z[:, 1::2])
    assert torch.equal(second[::2], second[1::2])
    assert len(z[0].unique(dim=0)) == 4
    assert not torch.equal(labels[::2], labels[1::2])


def test_the_generator_waits_for_a_new_discriminator() -> None:
    run = trainer(EVERYTHING, generator_waits_images=16)
    generator, discriminator = (
        {name: value.clone() for name, value in net.state_dict().items()} for net in (run.generator, run.discriminator)
    )
    reports = [run.step() for _ in range(2)]
    assert states_differ(generator, run.generator.state_dict()) == []
    assert states_differ(generator, run.average.state_dict()) == []
    assert states_differ(discriminator, run.discriminator.state_dict()) != []
    assert reports[1].discriminator_loss != reports[0].discriminator_loss
    assert {report.generator_loss for report in reports} == {0}
    assert run.step().generator_loss > 0
    assert {"mapping.fc0.weight", "mapping.w_avg"} <= set(states_differ(generator, run.generator.state_dict()))


def test_ema_follows_the_images_seen() -> None:
    config = TrainingConfig(batch=10, ema_halflife_images=1000, ema_rampup=0.05)
    assert config.ema_beta(100_000) == pytest.approx(0.5 ** (10 / 1000))
    assert config.ema_beta(200) == pytest.approx(0.5)
    assert replace(config, ema_rampup=0).ema_beta(200) == pytest.approx(0.5 ** (10 / 1000))


def test_mirroring_flips_left_and_right() -> None:
    images, labels = data().batch(torch.tensor([0, 0]), torch.tensor([False, True]))
    assert torch.equal(images[0].flip(2), images[1])
    assert torch.equal(labels[0], labels[1])
    assert images.min() >= -1
    assert images.max() <= 1


@pytest.mark.slow
def test_a_short_training_learns_what_the_label_means() -> None:
    """Dark for one condition, bright for the other: 80 steps are enough to tell them apart."""
    run = trainer(r1_gamma=0.01, r1_interval=16, ema_halflife_images=100, ema_rampup=1.0, learning_rate=0.006)
    for _ in range(80):
        report = run.step()
    assert report.images_seen == 80 * 8
    z = torch.randn(64, 16, generator=torch.Generator().manual_seed(1))
    means = [
        run.average(z, Vocabulary().encode(condition, "child").expand(64, -1)).mean().item()
        for condition in ("WS", "unaffected")
    ]
    assert means[1] - means[0] > 0.5


def test_numbers_that_are_none_stop_the_run() -> None:
    run = trainer()
    run.step()
    with torch.no_grad():
        next(run.generator.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="weights of the generator are not finite after 8 images"):
        run.check_weights()
    with pytest.raises(TrainingError, match=r"generator_loss.* is not finite after 16 images; the last snapshot is"):
        run.step()


def test_messages() -> None:
    with pytest.raises(ConfigError, match=r"training images are \(3, 16, 16\); expected \(3, 32, 32\)"):
        Trainer(replace(GENERATOR, resolution=32), DISCRIMINATOR, PLAIN, data())
    with pytest.raises(ConfigError, match="4 training images; expected at least one batch, 8"):
        Trainer(GENERATOR, DISCRIMINATOR, PLAIN, data(4))
    with pytest.raises(ConfigError, match="classifier_weight is 1 and the discriminator's classifier False"):
        Trainer(GENERATOR, DISCRIMINATOR, replace(PLAIN, classifier_weight=1), data())
    with pytest.raises(ConfigError, match=r"identity_weight is 1, the discriminator reads 0 .* data has 0; expected"):
        Trainer(GENERATOR, DISCRIMINATOR, replace(PLAIN, identity_weight=1), data())
    with pytest.raises(ConfigError, match="a batch of 8 for 4 processes, compared in groups of 2, leaves 1 images"):
        trainer(PLAIN, Processes(0, 4), identity_weight=1)
    with pytest.raises(ConfigError, match="precision float16 on cpu; take bfloat16 or float32"):
        trainer(precision="float16")
    with pytest.raises(ConfigError, match="path_length_shrink is 8, which leaves 1 of 8 images for 2 processes; expec"):
        trainer(EVERYTHING, Processes(0, 2), path_length_shrink=8)
    trainer(PLAIN, Processes(0, 2), path_length_shrink=8)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch": 1}, "batch is 1; expected 2 or more"),
        ({"precision": "float8"}, "precision is 'float8'; expected one of float32, bfloat16, float16"),
        ({"r1_interval": -1}, "r1_interval is -1; expected 0 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; expected a positive number"),
        ({"r1_gamma": float("nan")}, "r1_gamma is nan; expected 0"),
        ({"style_mixing": 1.5}, r"style_mixing is 1.5; expected a number in \[0, 1\]"),
        ({"identity_weight": -1.0}, "identity_weight is -1.0; expected 0"),
        ({"generator_waits_images": -1}, "generator_waits_images is -1; expected 0 or more"),
        ({"path_length_shrink": 3}, "path_length_shrink is 3; expected a divisor of the batch"),
        ({"augment": "all"}, "augment is 'all'; expected one of none, blit"),
        ({"augment_p": 0.5}, "ada or augment_p without augmentations"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**values)  # type: ignore[arg-type]
