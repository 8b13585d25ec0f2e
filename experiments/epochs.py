"""What the log of an experiment's classifiers says."""

from __future__ import annotations

from recognition.training.cross_validation import Progress


def tell(progress: Progress) -> None:
    """Print a line for an epoch."""
    report = progress.report
    where = f"training {progress.runs_done + 1} of {progress.runs}, epoch {report.epoch}"
    reached = f"validation loss {report.validation_loss:.3f}, accuracy {report.validation_accuracy:.1%}"
    print(f"{where}: {reached}", flush=True)
