"""What the oracle reads from blends, and how far it is from their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from core.reports.figures import encode_figure, hide_spines
from experiments.blends.faces import DRAWN, EMBEDDING, WAYS, BlendedPerson, W
from faces.images import Pixels
from faces.oracle.attribute_network import Oracle

NAMES: Final = {EMBEDDING: "mix of embeddings (published)", W: "mix in W", DRAWN: "drawn, mix of traits"}
_COLOURS: Final = {EMBEDDING: "#c05621", W: "#2b6cb0", DRAWN: "#2f855a"}
_ONE_SIDED: Final = 0.9

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BlendReadings:
    """Probabilities that the oracle reads from the blends of all persons at one share.

    Attributes:
        way: one of `faces.WAYS`.
        share: share of the first condition that was asked for.
        first, second: probability of each condition, by person.
    """

    way: str
    share: float
    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def shares(self) -> Floats:
        """Share of the first condition in the probability of the two, by person."""
        first, second = np.array(self.first), np.array(self.second)
        return np.asarray(first / (first + second))

    @property
    def neither(self) -> Floats:
        """Probability of any other condition, by person."""
        return np.asarray(1 - np.array(self.first) - np.array(self.second))


def read_blends(
    oracle: Oracle, way: str, share: float, persons: Sequence[BlendedPerson], images: Pixels
) -> BlendReadings:
    """Read the conditions of the persons' images."""
    chances = oracle.read_pixels(images).condition_logits.double().softmax(dim=1).numpy()
    columns = {name: place for place, name in enumerate(oracle.config.conditions)}
    rows = np.arange(len(persons))
    first, second = (
        tuple(chances[rows, [columns[name] for name in names]].tolist())
        for names in ([person.first for person in persons], [person.second for person in persons])
    )
    return BlendReadings(way, share, first, second)


def format_tables(readings: Sequence[BlendReadings], persons: Sequence[BlendedPerson]) -> str:
    """Format two Markdown tables: the share read at each share asked for, and the errors of each way's labels."""
    shares = sorted({one.share for one in readings})
    by = {(one.way, one.share): one for one in readings}
    lines = [
        "| share asked for | " + " | ".join(f"{NAMES[way]} | neither" for way in WAYS) + " |",
        "|--:|" + "--:|" * (2 * len(WAYS)),
    ]
    for share in shares:
        cells = [f"{by[way, share].shares.mean():.2f} | {by[way, share].neither.mean():.2f}" for way in WAYS]
        lines.append(f"| {share:g} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| blended by | error of the label | 95 % interval | of the corrected label | one condition alone is read |",
        "|---|--:|--:|--:|--:|",
    ]
    for way in WAYS:
        of_way = [by[way, share] for share in shares]
        plain, corrected = measure_errors(of_way, persons)
        low, high = _bootstrap(plain)
        alone = np.mean([np.maximum(one.shares, 1 - one.shares) >= _ONE_SIDED for one in of_way if 0 < one.share < 1])
        lines.append(
            f"| {NAMES[way]} | {plain.mean():.3f} | {low:.3f} to {high:.3f} | {corrected.mean():.3f} | {alone:.0%} |"
        )
    return "\n".join(lines) + "\n"


def measure_errors(readings: Sequence[BlendReadings], persons: Sequence[BlendedPerson]) -> tuple[Floats, Floats]:
    """Compute by person the mean distance of the share read from the label's, and from the corrected label's.

    The corrected label of a pair at a share is the mean of what is read there from other persons of the pair. The two
    pure ends do not count.
    """
    between = [one for one in readings if 0 < one.share < 1]
    read = np.stack([one.shares for one in between])
    asked = np.array([[one.share] for one in between])
    pairs = np.array([f"{person.first}/{person.second}" for person in persons])
    corrected = np.empty_like(read)
    for pair in np.unique(pairs):
        of_pair = pairs == pair
        one = read[:, of_pair]
        corrected[:, of_pair] = (one.sum(axis=1, keepdims=True) - one) / (one.shape[1] - 1)
    return np.abs(read - asked).mean(axis=0), np.abs(read - corrected).mean(axis=0)


def _bootstrap(values: Floats, draws: int = 2000) -> tuple[float, float]:
    """Compute the 95 % interval of the mean over persons."""
    chosen = np.random.default_rng(0).integers(0, len(values), (draws, len(values)))
    low, high = np.quantile(values[chosen].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def plot_shares(readings: Sequence[BlendReadings]) -> bytes:
    """Plot the share read against the share asked for, mean and middle half of the persons, as PNG."""
    figure = Figure(figsize=(11, 4.2), dpi=110, layout="constrained", facecolor="white")
    axes = figure.subplots(1, len(WAYS), sharey=True)
    for axis, way in zip(axes, WAYS, strict=True):
        of_way = sorted((one for one in readings if one.way == way), key=lambda one: one.share)
        shares = [one.share for one in of_way]
        low, high = zip(*(np.quantile(one.shares, [0.25, 0.75]) for one in of_way), strict=True)
        axis.fill_between(shares, low, high, color=_COLOURS[way], alpha=0.2, linewidth=0)
        axis.plot(shares, [one.shares.mean() for one in of_way], "o-", color=_COLOURS[way], label="mean, middle half")
        axis.plot(shares, [one.neither.mean() for one in of_way], "--", color="#718096", label="neither condition")
        axis.plot([0, 1], [0, 1], ":", color="#a0aec0")
        axis.set_title(NAMES[way], fontsize=11)
        axis.set_xlabel("share of the first condition asked for")
        hide_spines(axis)
    axes[0].set_ylabel("share that the oracle reads")
    axes[0].legend(fontsize=8, frameon=False, loc="upper left")
    return encode_figure(figure)
