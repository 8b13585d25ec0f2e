"""Trainer of a conditional StyleGAN2-ADA, whose state depends only on its configuration and the images seen.

Every random draw comes from a generator seeded by (seed, iteration), for the whole batch in every process. A
run therefore resumes without random state, and several processes compute the same as one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from core.errors import ConfigError, TrainingError
from gen.augment import PRESETS as AUGMENTATIONS
from gen.augment import AugmentPipe
from gen.augmentation.ada import next_p
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator, Judgement
from gen.training.batches import Batches, balance_groups, pools
from gen.training.data import TrainingImages
from gen.training.distributed import Processes, group_size
from gen.training.features import FeatureTraining
from gen.training.inputs import BatchShare, Inputs, RealBatch
from gen.training.losses import (
    ConditionLoss,
    classification_loss,
    discriminator_loss,
    generator_loss,
    identity_error,
    identity_shift,
    mean_of_known,
    path_lengths,
    r1_penalty,
)
from gen.training.optimizer import Optimizer, freeze, is_finite
from gen.training.recipe import TRAINING_DTYPES, TrainingConfig

CPU: Final = torch.device("cpu")


@dataclass(frozen=True)
class StepReport:
    """Figures of one step over all processes. Those that not every step has are of the last step that had them.

    Args:
        images_seen: real images shown so far.
        generator_loss, discriminator_loss: the adversarial ones.
        classification_real, classification_fake: cross-entropy of the labels read from real and generated images.
        identity_error, identity_shift: error of the identity read from real images, and its difference between two
            generated images of one random vector; 1 if nothing is read or kept, 0 if they have no weight.
        r1: penalty on real images, before its weight.
        path_length: mean path length that the penalty aims at.
        real_sign: r_t of adaptive augmentation, the mean sign of D(real): near 1, the discriminator overfits.
        augment_p: probability of each augmentation.
        generator_gradient, discriminator_gradient: gradient norms of the adversarial updates.
        feature_loss, feature_discriminator_loss: of the discriminator on face features, which begins near 2 and is 0 if
            it is sure of every image; 0 without it.
        condition_loss: of generated images, by the given loss; 0 without one.
    """

    images_seen: int
    generator_loss: float
    discriminator_loss: float
    classification_real: float
    classification_fake: float
    identity_error: float
    identity_shift: float
    r1: float
    path_length: float
    real_sign: float
    augment_p: float
    generator_gradient: float
    discriminator_gradient: float
    feature_loss: float
    feature_discriminator_loss: float
    condition_loss: float


_MEASURED: Final = tuple(
    name for name in StepReport.__dataclass_fields__ if name not in ("images_seen", "augment_p", "path_length")
)


class Trainer:
    """Networks, their running average and optimisers, and the step that moves them.

    `state_dict()` and `load_state_dict()` carry all of it as tensors by name.

    Args:
        generator_config, discriminator_config: of one vocabulary and resolution; the discriminator has a classifier
            if the configuration weighs one.
        config: the recipe.
        data: training data.
        device: device of the networks; the data stays on the CPU.
        processes: processes that train together.
        condition_loss: loss on the conditions of generated images; None if the recipe does not weigh one.

    Raises:
        ConfigError: parts that do not fit each other.
    """

    def __init__(
        self,
        generator_config: GeneratorConfig,
        discriminator_config: DiscriminatorConfig,
        config: TrainingConfig,
        data: TrainingImages,
        device: torch.device = CPU,
        processes: Processes = Processes(),
        condition_loss: ConditionLoss | None = None,
    ) -> None:
        _check_fit(generator_config, discriminator_config, config, data, device)
        _check_condition_loss(config, condition_loss)
        self.config = config
        self.data = data
        self.device = device
        self.processes = processes
        self.condition_loss = condition_loss
        self.iteration = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.generator = Generator(generator_config).to(device)
            self.discriminator = Discriminator(discriminator_config).to(device)
            self._features = FeatureTraining(config, data, device, processes) if config.feature_weight > 0 else None
        self.average = deepcopy(self.generator).eval().requires_grad_(False)
        self.augment_p = config.augment_p
        self._augment = AugmentPipe(**AUGMENTATIONS[config.augment]) if config.augment else None
        self.pools = tuple(pools(config.sampling, data.labels, _require_vocabulary(generator_config)))
        if data.groups is not None:
            self.pools = tuple(balance_groups(self.pools, data.groups))
        batches = Batches(self.pools, config.batch, config.seed)
        group = group_size(config.batch, discriminator_config.mbstd_group_size)
        processes.check(config.batch, group)
        _check_paths(config, processes)
        _check_pairs(config, processes, group)
        self._inputs = Inputs(data, batches, config, device, processes, group)
        self._dtype = TRAINING_DTYPES[config.precision]
        # Gradients of gradients exceed the range of float16.
        self._penalty_dtype = torch.float32 if self._dtype == torch.float16 else self._dtype
        self._generator_optimizer = self._optimizer(
            self.generator, config.path_length_interval if config.penalises_paths else 0
        )
        self._discriminator_optimizer = self._optimizer(
            self.discriminator, config.r1_interval if config.penalises_gradients else 0
        )
        self._path_length = torch.zeros((), device=device)
        self._sign_sum = torch.zeros((), device=device)
        self._zero = torch.zeros((), device=device)
        self._measured = dict.fromkeys(_MEASURED, self._zero)

    @property
    def images_seen(self) -> int:
        return self.iteration * self.config.batch

    def step(self) -> StepReport:
        """Train for one step: the generator, the discriminator, their penalties when due, and the running average.

        Raises:
            TrainingError: a loss or a gradient is not finite.
        """
        config = self.config
        reals = self._inputs.real_batch(self.iteration)
        if self.images_seen >= config.generator_waits_images:
            self._generator_step()
            if config.penalises_paths and self.iteration % config.path_length_interval == 0:
                self._path_length_step()
        self._discriminator_step(reals)
        if config.penalises_gradients and self.iteration % config.r1_interval == 0:
            self._r1_step(reals)
        self._average_step()
        self.iteration += 1
        report = self._report()
        self._augment_step()
        return report

    def _generator_step(self) -> None:
        share = self._inputs.draw_share(self.iteration, "generator")
        labels = share.labels()
        with freeze(self.discriminator):
            w = self._map(labels, share, paired=self.config.identity_weight > 0)
            self._update_w_avg(w)
            images = self._synthesize(w, share, self._dtype)
            judgement = self._judge(images, labels, share, self._dtype)
            loss = generator_loss(judgement.logits)
            classification = self._classification(judgement, labels)
            shift = self._zero if judgement.identity is None else identity_shift(judgement.identity)
            features = self._zero if self._features is None else self._features.judge(images, share)
            condition = self._read_conditions(images, labels)
            objective = (
                loss
                + self.config.classifier_weight * classification
                + self.config.condition_loss_weight * condition
                + self.config.identity_weight * shift
                + self.config.feature_weight * features
            )
            gradient = self._generator_optimizer.step(objective)
        self._measure(
            generator_loss=loss,
            classification_fake=classification,
            identity_shift=shift,
            generator_gradient=gradient,
            feature_loss=features,
            condition_loss=condition,
        )

    def _path_length_step(self) -> None:
        """Regularise the path length (Karras et al. 2020, section 3.2). The target has no gradient, as in the paper."""
        config = self.config
        share = self._inputs.draw_share(self.iteration, "path_length", config.path_length_shrink)
        w = self._map(share.labels(), share)
        images = self._synthesize(w, share, self._penalty_dtype)
        lengths = path_lengths(images, w, share.normal(*images.shape[1:]))
        mean = lengths.detach().mean()
        self.processes.average([mean])
        self._path_length = self._path_length.lerp(mean, config.path_length_decay)
        penalty = (lengths - self._path_length).square().mean()
        self._generator_optimizer.step(penalty * (config.path_length_weight * config.path_length_interval))

    def _discriminator_step(self, reals: RealBatch) -> None:
        share = self._inputs.draw_share(self.iteration, "discriminator")
        labels = share.labels()
        with torch.no_grad():
            fakes = self._synthesize(self._map(labels, share), share, self._dtype)
        fake = self._judge(fakes, labels, share, self._dtype)
        real = self._judge(reals.images, reals.labels, share, self._dtype)
        loss = discriminator_loss(real.logits, fake.logits)
        classification = self._classification(real, reals.labels)
        error = self._identity_error(real, reals.identity)
        objective = loss + self.config.classifier_weight * classification + self.config.identity_weight * error
        gradient = self._discriminator_optimizer.step(objective)
        self._measure(
            discriminator_loss=loss,
            classification_real=classification,
            identity_error=error,
            discriminator_gradient=gradient,
            real_sign=real.logits.sign().mean(),
        )
        if self._features is not None:
            self._measure(feature_discriminator_loss=self._features.step(reals.images, fakes, share))

    def _r1_step(self, reals: RealBatch) -> None:
        """Apply the R1 penalty; the rarer it is, the larger its weight. Its gradient is in the pixels before
        augmentation."""
        share = self._inputs.draw_share(self.iteration, "r1")
        images = reals.images.detach().requires_grad_()
        penalty = r1_penalty(images, self._judge(images, reals.labels, share, self._penalty_dtype).logits).mean()
        self._discriminator_optimizer.step(penalty * (self.config.r1_gamma / 2 * self.config.r1_interval))
        self._measure(r1=penalty)

    @torch.no_grad()
    def _average_step(self) -> None:
        beta = self.config.ema_beta(self.images_seen + self.config.batch)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - beta)
        for ours, theirs in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            ours.copy_(theirs)

    def _augment_step(self) -> None:
        """Let the probability of the augmentations follow r_t (Karras et al. 2020, "Training … with Limited Data")."""
        ada = self.config.ada
        if ada is None:
            return
        self._sign_sum = self._sign_sum + self._measured["real_sign"]
        if self.iteration % ada.interval == 0:
            self.augment_p = next_p(self.augment_p, (self._sign_sum / ada.interval).item(), self.config.batch, ada)
            self._sign_sum = torch.zeros_like(self._sign_sum)

    def _report(self) -> StepReport:
        values = torch.stack([self._measured[name] for name in _MEASURED])
        self.processes.average([values])
        self._measured = dict(zip(_MEASURED, values.unbind(), strict=True))
        numbers = dict(zip(_MEASURED, values.tolist(), strict=True))
        broken = [name for name, value in numbers.items() if not math.isfinite(value)]
        # In float16 an update that overflows is skipped, and the next one uses a smaller scale.
        if broken and self._dtype != torch.float16:
            raise TrainingError(
                f"{', '.join(broken)} is not finite after {self.images_seen} images; the last snapshot is intact: "
                "resume it with a lower learning rate or higher r1_gamma, or in float32"
            )
        return StepReport(
            images_seen=self.images_seen,
            path_length=self._path_length.item(),
            augment_p=self.augment_p,
            **numbers,
        )

    # Parts of the steps.

    def _map(self, labels: Tensor, share: BatchShare, *, paired: bool = False) -> Tensor:
        """Compute latents (n, num_ws, w_dim) of random vectors, with style mixing; paired: for two labels each."""
        config = self.generator.config
        z, second = share.styles(config.z_dim, config.num_ws, paired=paired)
        one, other = self.generator.map(z.flatten(0, 1), labels.repeat(2, 1)).chunk(2)
        return torch.where(second[:, :, None], other, one)

    def _synthesize(self, w: Tensor, share: BatchShare, dtype: torch.dtype) -> Tensor:
        return self.generator.synthesize(w, "random", share.noise(), dtype)

    def _judge(self, images: Tensor, labels: Tensor, share: BatchShare, dtype: torch.dtype) -> Judgement:
        """Run the discriminator on images, augmented where the probability of augmentation is not 0."""
        if self._augment is not None and self.augment_p > 0:
            self._augment.p = torch.tensor(self.augment_p)
            images = self._augment(images, draws=share.augmentation())
        return self.discriminator.judge(images, labels, dtype)

    def _classification(self, judgement: Judgement, labels: Tensor) -> Tensor:
        if judgement.label_logits is None:
            return self._zero
        conditions = len(_require_vocabulary(self.generator.config).conditions)
        return classification_loss(judgement.label_logits, labels, conditions)

    def _read_conditions(self, images: Tensor, labels: Tensor) -> Tensor:
        """Compute the mean condition loss of generated images before augmentation."""
        if self.condition_loss is None:
            return self._zero
        conditions = labels[:, : len(_require_vocabulary(self.generator.config).conditions)]
        return mean_of_known(self.condition_loss(images.float(), conditions), conditions)

    def _identity_error(self, judgement: Judgement, known: Tensor | None) -> Tensor:
        if judgement.identity is None or known is None:
            return self._zero
        return identity_error(judgement.identity, known)

    def _update_w_avg(self, w: Tensor) -> None:
        mean = w.detach()[:, 0].mean(dim=0)
        self.processes.average([mean])
        self.generator.update_w_avg(mean[None])

    def _measure(self, **values: Tensor) -> None:
        self._measured |= {name: value.detach().float() for name, value in values.items()}

    def _optimizer(self, net: nn.Module, interval: int) -> Optimizer:
        scaled = self.config.precision == "float16"
        return Optimizer(net, self.config.learning_rate, interval, scaled=scaled, processes=self.processes)

    # State.

    def check_weights(self) -> None:
        """Raise TrainingError if a weight is not finite, because such a state must not replace a good one."""
        for name, net in self._networks().items():
            if not is_finite(net):
                raise TrainingError(
                    f"weights of the {name} are not finite after {self.images_seen} images; nothing was saved, "
                    "the last snapshot is intact: resume it with a lower learning rate, or in float32"
                )

    def state_dict(self) -> dict[str, Tensor]:
        """Return by name everything that a resumed run needs beside the configuration and the data."""
        tensors = {
            "iteration": torch.tensor(self.iteration),
            "augment_p": torch.tensor(self.augment_p, dtype=torch.float64),
            "sign_sum": self._sign_sum,
            "path_length": self._path_length,
            "measured": torch.stack([self._measured[name] for name in _MEASURED]),
        }
        for part, keeper in self._keepers().items():
            tensors |= {f"{part}.{name}": value for name, value in keeper.state_dict().items()}
        return tensors

    def settings(self) -> dict[str, Any]:
        """Return the settings that a resumed run must share with the stopped one, JSON-able."""
        training = asdict(self.config)
        settings: dict[str, Any] = {
            "generator": self.generator.config.to_json(),
            "discriminator": self.discriminator.config.to_json(),
            "training": training,
            "data": {"images": len(self.data.images), "fingerprint": self.data.fingerprint()},
        }
        if self.condition_loss is None:
            del training["condition_loss_weight"]  # runs of versions without this loss can then be resumed
        else:
            settings["condition_loss"] = self.condition_loss.name
        return json.loads(json.dumps(settings))  # type: ignore[no-any-return]

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the state that `state_dict()` returned."""
        self.iteration = int(tensors["iteration"])
        self.augment_p = float(tensors["augment_p"])
        self._sign_sum = tensors["sign_sum"].to(self.device)
        self._path_length = tensors["path_length"].to(self.device)
        # A run of an earlier version has not measured the last ones.
        self._measured |= zip(_MEASURED, tensors["measured"].to(self.device).unbind(), strict=False)
        for part, keeper in self._keepers().items():
            keeper.load_state_dict(_strip_prefix(tensors, part))

    def _networks(self) -> dict[str, Generator | Discriminator]:
        return {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}

    def _keepers(self) -> dict[str, Generator | Discriminator | Optimizer | FeatureTraining]:
        features = {} if self._features is None else {"features": self._features}
        return (
            self._networks()
            | features
            | {
                "generator_optimizer": self._generator_optimizer,
                "discriminator_optimizer": self._discriminator_optimizer,
            }
        )


def _check_fit(
    generator: GeneratorConfig,
    discriminator: DiscriminatorConfig,
    config: TrainingConfig,
    data: TrainingImages,
    device: torch.device,
) -> None:
    side = generator.resolution
    if data.images.shape[1:] != (3, side, side):
        got = tuple(data.images.shape[1:])
        raise ConfigError(
            f"training images are {got}; expected (3, {side}, {side}), the network's size: "
            f"make the data set with --size {side}, or take another preset"
        )
    if len(data.images) < config.batch:
        raise ConfigError(
            f"{len(data.images)} training images; expected at least one batch, {config.batch}: take a smaller batch"
        )
    if discriminator.classifier != (config.classifier_weight > 0):
        raise ConfigError(
            f"classifier_weight is {config.classifier_weight:g} and the discriminator's classifier "
            f"{discriminator.classifier}; set both or none"
        )
    numbers = data.identity_size if config.identity_weight > 0 else 0
    if discriminator.identity != numbers or (config.identity_weight > 0 and numbers == 0):
        raise ConfigError(
            f"identity_weight is {config.identity_weight:g}, the discriminator reads {discriminator.identity} numbers "
            f"of the identity and the data has {numbers}; expected a weight and as many numbers, or none of it"
        )
    if config.precision == "float16" and device.type != "cuda":
        raise ConfigError(f"precision float16 on {device.type}; take bfloat16 or float32 there")


def _check_condition_loss(config: TrainingConfig, loss: ConditionLoss | None) -> None:
    if (loss is not None) != (config.condition_loss_weight > 0):
        given = "none is given" if loss is None else f"{loss.name} is given"
        raise ConfigError(
            f"condition_loss_weight is {config.condition_loss_weight:g} and for the condition loss {given}; expected "
            "both or none: --condition-loss CLASSIFIER with --set condition_loss_weight=0.5, for example"
        )


def _check_paths(config: TrainingConfig, processes: Processes) -> None:
    images = config.batch // config.path_length_shrink
    if config.penalises_paths and images % processes.count:
        raise ConfigError(
            f"path_length_shrink is {config.path_length_shrink}, which leaves {images} of {config.batch} images for "
            f"{processes.count} processes; expected as many for each: lower it, or take a larger batch"
        )


def _check_pairs(config: TrainingConfig, processes: Processes, group: int) -> None:
    """Check that neighbours in a batch belong to one process; its images come in runs of batch / (processes ·
    group)."""
    run = config.batch if processes.count == 1 else config.batch // (processes.count * group)
    if config.identity_weight > 0 and run % 2:
        raise ConfigError(
            f"identity_weight compares pairs, and a batch of {config.batch} for {processes.count} processes, compared "
            f"in groups of {group}, leaves {run} images in a row; expected an even number: take a batch twice as large"
        )


def _require_vocabulary(config: GeneratorConfig) -> Vocabulary:
    if config.vocabulary is None:
        raise ConfigError("the generator has no vocabulary; expected a conditional one")
    return config.vocabulary


def _strip_prefix(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
