"""The loss that a classifier gives a generator: what it reads, and that a generator learns from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core import tensor_files
from core.errors import CheckpointError, ConfigError
from core.seen_images import SeenImages
from gen.labels import Vocabulary
from gen.training.trainer import CPU, Trainer
from recognition.classifier import Classifier, build_network
from recognition.condition_loss import ClassifierConditionLoss, make_condition_loss, open_condition_loss
from recognition.images.image_stack import resize_face, resize_network_input, stack_images, to_network_input
from recognition.images.leakage import TrainingRecord
from recognition.networks.architectures import Network
from tests.gen.training.tiny import DISCRIMINATOR, GENERATOR, PLAIN, data, states_differ, trainer
from tests.recognition.coloured import QUICK, squares

CONDITIONS = Vocabulary().conditions
SIDE = GENERATOR.resolution


def untrained_classifier(classes: tuple[str, ...] = CONDITIONS, seen: SeenImages = SeenImages()) -> Classifier:
    network = build_network(QUICK, len(classes))
    return Classifier(network.eval(), classes, QUICK, TrainingRecord.of("classifier", seen))


def test_it_is_the_cross_entropy_of_what_the_classifier_predicts() -> None:
    """Also for pictures that are resized, and whatever the order of the classes."""
    classifier = untrained_classifier(("none of them", *reversed(CONDITIONS)))
    stack = stack_images(squares(8, size=64), 64)
    images = to_network_input(stack.pixels)
    conditions = torch.eye(len(CONDITIONS))[torch.arange(8) % len(CONDITIONS)]
    probabilities = classifier.predict_probabilities(stack)
    columns = [classifier.classes.index(CONDITIONS[place % len(CONDITIONS)]) for place in range(8)]
    expected = -np.log(probabilities[np.arange(8), columns])
    losses = make_condition_loss(classifier, "a", CONDITIONS)(images, conditions)
    assert losses.tolist() == pytest.approx(expected.tolist(), abs=0.02)  # its own input is rounded to bytes
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize("side", [20, 32, 48, 64, 75])
def test_images_are_resized_as_those_of_the_classifier(side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    expected = resize_face(image, 32).astype(np.float32)
    resized = resize_network_input(torch.from_numpy(image).float().permute(2, 0, 1)[None], 32)
    assert np.abs(resized[0].permute(1, 2, 0).numpy() - expected).max() <= 1


def test_the_gradient_reaches_every_pixel_of_a_larger_image() -> None:
    images = (torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9).requires_grad_()
    loss = make_condition_loss(untrained_classifier(), "a", CONDITIONS)
    loss(images, torch.eye(len(CONDITIONS))[:2]).sum().backward()
    assert images.grad is not None
    assert (images.grad != 0).double().mean() > 0.99


class RednessReader(Network):
    """A network that takes the red for WS and the green for unaffected people."""

    def __init__(self) -> None:
        super().__init__(nn.Identity(), 1, len(CONDITIONS), mean=(0, 0, 0), std=(1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        redness = (images[:, 0] - images[:, 1]).mean(dim=(1, 2))
        signs = torch.tensor([{"WS": 1.0, "unaffected": -1.0}.get(name, 0.0) for name in CONDITIONS])
        return 5 * redness[:, None] * signs


def conditioned(weight: float, loss: ClassifierConditionLoss) -> Trainer:
    config = replace(PLAIN, condition_loss_weight=weight)
    return Trainer(GENERATOR, DISCRIMINATOR, config, data(), CPU, condition_loss=loss)


def read_generated(run: Trainer, loss: ClassifierConditionLoss) -> float:
    """The mean loss of some images of the two conditions that the data have."""
    shown = torch.tensor([name in ("WS", "unaffected") for name in CONDITIONS])
    conditions = torch.eye(len(CONDITIONS))[shown].repeat_interleave(8, dim=0)
    labels = torch.cat([conditions, torch.full((len(conditions), len(Vocabulary().ages)), 1 / 5)], dim=1)
    z = torch.randn(len(labels), GENERATOR.z_dim, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        images: Tensor = run.generator.synthesize(run.generator.map(z, labels))
        return loss(images, conditions).mean().item()


def test_steps_move_the_images_towards_their_conditions() -> None:
    loss = ClassifierConditionLoss(RednessReader(), torch.arange(len(CONDITIONS)), SIDE, "a", SeenImages())
    without, with_loss = trainer(), conditioned(20.0, loss)
    before = read_generated(without, loss)
    for _ in range(12):
        plain = without.step()
        report = with_loss.step()
    assert plain.condition_loss == 0
    assert report.condition_loss > 0
    assert read_generated(with_loss, loss) < 0.8 * before
    assert read_generated(without, loss) > 0.95 * before


def test_the_generator_alone_learns_from_it() -> None:
    classifier = untrained_classifier()
    before = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    without, with_loss = trainer(), conditioned(1.0, make_condition_loss(classifier, "a", CONDITIONS))
    without.step()
    with_loss.step()
    differing = states_differ(without.generator.state_dict(), with_loss.generator.state_dict())
    assert "synthesis.b16.conv1.weight" in differing
    assert states_differ(before, classifier.network.state_dict()) == []


def test_images_of_an_unknown_condition_have_no_loss() -> None:
    loss = make_condition_loss(untrained_classifier(), "a", CONDITIONS)
    images = data()
    images.labels[:, : len(CONDITIONS)] = 1 / len(CONDITIONS)
    run = Trainer(GENERATOR, DISCRIMINATOR, replace(PLAIN, condition_loss_weight=1.0), images, CPU, condition_loss=loss)
    assert run.step().condition_loss == 0


def test_a_classifier_without_a_condition_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="none for WS"):
        make_condition_loss(untrained_classifier(CONDITIONS[1:]), "it", CONDITIONS)


def test_it_is_read_from_the_classifiers_file(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    seen = SeenImages.of(["0123456789abcdef"], complete=False)
    untrained_classifier(seen=seen).save(path)
    loss = open_condition_loss(path)(CONDITIONS, torch.device("cpu"))
    assert loss.seen == seen
    assert tensor_files.sha256(path).startswith(loss.name.removeprefix("classifier "))
    with pytest.raises(CheckpointError, match=r"absent\.safetensors"):
        open_condition_loss(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(("weight", "given"), [(1.0, False), (0.0, True)])
def test_a_weight_and_a_loss_belong_together(weight: float, given: bool) -> None:
    loss = make_condition_loss(untrained_classifier(), "it", CONDITIONS) if given else None
    with pytest.raises(ConfigError, match="--condition-loss CLASSIFIER"):
        Trainer(
            GENERATOR, DISCRIMINATOR, replace(PLAIN, condition_loss_weight=weight), data(), CPU, condition_loss=loss
        )


def test_a_run_keeps_its_loss_and_one_without_has_the_settings_of_earlier_versions() -> None:
    run = conditioned(0.5, make_condition_loss(untrained_classifier(), "classifier 12", CONDITIONS))
    assert run.settings()["condition_loss"] == "classifier 12"
    assert run.settings()["training"]["condition_loss_weight"] == 0.5
    assert "condition_loss" not in str(trainer().settings())
