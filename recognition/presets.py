"""Presets: named settings of training and averaging, for small pictures and as in two studies.

Duong et al. 2022 (Frontiers in Genetics 13:864092) and Patel et al. 2024 (Bioinformatics 40:i110) print fewer
settings than a training needs, and their code differs from the text in some. "duong" and "patel" follow the text, and
the code where the text is silent (optimizer, rates, when to stop); "duong-code" and "patel-code" follow the code.
`describe` names the differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, get_type_hints

from core.errors import ConfigError
from core.setting_values import parse_value
from faces.labels import UNAFFECTED
from recognition.config import ClassifierTrainingConfig


@dataclass(frozen=True)
class ClassifierPreset:
    """Settings of training and averaging.

    Attributes:
        training: settings of the training of each fold.
        threshold: a fold counts in the ensemble if its largest probability reaches this; None counts every fold.
        affected_weight: weight of the loss for every class but `unaffected`; None for no weights.
        about: description, with the differences from the text and from the code of the study.
    """

    training: ClassifierTrainingConfig
    threshold: float | None
    affected_weight: float | None
    about: str

    def for_classes(self, classes: Sequence[str]) -> ClassifierTrainingConfig:
        """Return the training, with the weights of the affected ones among these classes."""
        if self.affected_weight is None:
            return self.training
        affected = {name: self.affected_weight for name in classes if name != UNAFFECTED}
        return replace(self.training, class_weights=affected)


_DUONG: Final = ClassifierTrainingConfig(
    network="efficientnet-b4",
    size=448,
    epochs=30,
    batch=64,
    optimizer="adam",
    learning_rate=3e-4,
    weight_decay=0.0,
    schedule="cosine",
    warmup_epochs=1,
    warmup_from=0.1,
    patience=10,
    select="balanced_accuracy",
    shift=0.0,
    colour=0.0,
    dropout=0.0,
)

_PATEL: Final = ClassifierTrainingConfig(
    network="resnet50",
    size=224,
    pretraining="vggface2",
    epochs=35,
    batch=32,
    optimizer="sgd",
    learning_rate=1e-3,
    momentum=0.9,
    weight_decay=0.0,
    schedule="cosine-restarts",
    warmup_epochs=0,
    restart_epochs=25,
    patience=None,
    select="loss",
    shift=0.0,
    colour=0.0,
    dropout=0.0,
)

PRESETS: Final = {
    "small": ClassifierPreset(
        ClassifierTrainingConfig(),
        None,
        None,
        "The small network on faces of 64 px, without pretrained weights: an epoch takes seconds on one core.",
    ),
    "duong": ClassifierPreset(
        _DUONG,
        0.5,
        None,
        "Duong et al. 2022, as in the text: EfficientNet-B4 from ImageNet weights, 448 px, batches of 64, soft-label "
        "cross-entropy, five folds, mean over the folds whose largest probability is at least 0.5. The text does not "
        "give the other settings, which are those of the code: Adam, one epoch at 3e-5, then 3e-4 with a cosine "
        "schedule, 30 epochs, stopped after 10 that do not improve the balanced accuracy, flips. The code also "
        "averages five draws of dropout at 0.2, gives affected classes ten times the weight and starts from "
        "noisy-student weights: see duong-code. Different from both: folds are grouped by person, and the losses of "
        "hard and soft labels are divided by the same total.",
    ),
    "duong-code": ClassifierPreset(
        replace(_DUONG, dropout=0.2, dropout_passes=5, loss_total="as-published"),
        0.2,
        10.0,
        "Duong et al. 2022, as in the code: like duong, with five draws of dropout at 0.2 averaged and weight 10 on "
        "every affected class. Losses of hard labels are divided by their weights, those of a run with soft labels by "
        "the number of images. The threshold is 0.2, which every fold reaches with four classes. Use it with the "
        "noisy-student weights of timm. Not as the code: folds are grouped by person, because early stopping fails if "
        "a person is in both parts, and the rate changes with each step, not each epoch.",
    ),
    "patel": ClassifierPreset(
        _PATEL,
        None,
        None,
        "Patel et al. 2024, as in the text: ResNet-50 from VGGFace2 weights, 224 px, batches of 32, SGD at 0.001 with "
        "momentum 0.9, cosine with warm restarts, 35 epochs, the epoch of the best validation loss, mean over five "
        "folds. The text does not say when the first restart is; it is after 25 epochs, as in the code. In the code "
        "the head learns ten times as fast, and the validation accuracy chooses the epoch: see patel-code. Different "
        "from both: folds are grouped by person.",
    ),
    "patel-code": ClassifierPreset(
        replace(_PATEL, head_rate=10.0, select="accuracy"),
        None,
        None,
        "Patel et al. 2024, as in the code: like patel, with a head that learns ten times as fast, and the epoch of "
        "the best validation accuracy. Not as the code: the code crops faces by five points, while here they are "
        "aligned like FFHQ when the data set is prepared; and folds are grouped by person.",
    ),
}


def find_preset(name: str) -> ClassifierPreset:
    """Return one of PRESETS.

    Raises:
        ConfigError: no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset is {name!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def describe(name: str) -> str:
    """Describe a preset, and how it differs from the text of its study and from its code; raises as `find_preset`."""
    return find_preset(name).about


def vary_training(
    config: ClassifierTrainingConfig, values: Mapping[str, Any], texts: Mapping[str, str]
) -> ClassifierTrainingConfig:
    """Replace settings of a training; the seed cannot be set, as it differs between the ensembles of a run.

    Args:
        config: the settings to start from.
        values: new values by name.
        texts: further ones as people write them, `--set NAME=VALUE`; "none" is None.

    Raises:
        ConfigError: a setting that does not exist, or a value that makes no sense.
    """
    kinds = get_type_hints(ClassifierTrainingConfig)
    known = {field.name for field in fields(ClassifierTrainingConfig)} - {"seed"}
    chosen = dict(values)
    for name, text in texts.items():
        if name not in known:
            raise ConfigError(f"--set {name}={text}: no such setting; expected one of {', '.join(sorted(known))}")
        chosen[name] = None if text == "none" else parse_value(f"--set {name}", text, kinds[name])
    return replace(config, **chosen)
