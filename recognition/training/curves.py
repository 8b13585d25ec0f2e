"""Plot of the course of a training."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.atomic_files import write_file


def draw_curves(lines: Sequence[Mapping[str, Any]], path: Path, title: str = "") -> None:
    """Plot loss, accuracy and learning rate over the epochs as PNG, and mark the best epoch so far.

    Args:
        lines: lines of metrics.jsonl.
        path: file to write.
        title: title above the plots.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes half a second, and most runs draw one picture
    from matplotlib.figure import Figure

    epochs = [line["epoch"] for line in lines]
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3)
    for panel, name, series in (
        (panels[0], "loss", ("train_loss", "validation_loss")),
        (panels[1], "accuracy", ("train_accuracy", "validation_accuracy", "validation_balanced_accuracy")),
        (panels[2], "learning rate", ("learning_rate",)),
    ):
        for one in series:
            panel.plot(epochs, [line[one] for line in lines], label=one.replace("_", " "), marker=".", markersize=3)
        best = [line["epoch"] for line in lines if line["best"]]
        if best:
            panel.axvline(best[-1], color="0.6", linestyle="--", linewidth=1)
        panel.set(title=name, xlabel="epoch")
        if len(series) > 1:
            panel.legend(fontsize=7, loc="upper right")
    figure.suptitle(title, parse_math=False)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    write_file(path, png.getvalue())
