"""Trainings and reports without their plots, which take most of the time of tiny ones."""

from __future__ import annotations

import pytest

from core.atomic_files import write_file
from recognition.results import report
from recognition.training import trainer


def skip_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "draw_curves", lambda lines, path, title: write_file(path, b""))
    for name in ("plot_accuracies", "plot_cells", "plot_confusions", "plot_differences", "plot_reliability"):
        monkeypatch.setattr(report, name, lambda *_: b"")
