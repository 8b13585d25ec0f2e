"""Folder of one training: its files, and the state from which a stopped training continues.

config.json                settings, training data and seeds
metrics.jsonl              a line for every epoch
curves.png                 the same as plots
classifier.safetensors     the best epoch so far: the classifier to use
state.safetensors          the state to continue from, written last; after the end it holds the place alone
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from core import tensor_files
from core.atomic_files import write_file
from core.errors import ConfigError, TrainingError
from core.run_folders import compare_settings, describe_changes, lock_run_folder
from recognition.classifier import FILE


class ClassifierFolder:
    """Files of one training. Each appears whole or not at all.

    Args:
        path: made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.json"
        self.metrics = path / "metrics.jsonl"
        self.curves = path / "curves.png"
        self.classifier = path / FILE
        self.state = path / "state.safetensors"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep the folder for this process, and delete files that a killed process left half-written.

        Raises:
            ConfigError: another process trains in it.
            TrainingError: it cannot be written.
        """
        files = (self.config, self.metrics, self.curves, self.classifier, self.state)
        with lock_run_folder(self.path, [f".{file.name}.*" for file in files], self.explain_write_errors):
            yield

    def begin(self, settings: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any] | None:
        """Write config.json for a new run, or check that the one here is the same.

        Args:
            settings: everything that the result depends on, as JSON can hold it.
            further: further content of config.json, such as versions.

        Returns:
            the place of the training; None for a new one.

        Raises:
            ConfigError: a run with other settings is here.
        """
        if not self.state.exists():
            with self.explain_write_errors():
                write_file(self.config, (json.dumps({**settings, **further}, indent=2) + "\n").encode())
            return None
        header = tensor_files.read_header(self.state)
        changes = compare_settings(header["settings"], json.loads(json.dumps(settings)))
        if changes:
            raise ConfigError(
                f"{self.path} holds a run with other settings: {describe_changes(changes)}. "
                "Use the same to resume it, or another --out"
            )
        return header["place"]  # type: ignore[no-any-return]

    def read_tensors(self) -> dict[str, Tensor]:
        """Read the tensors of the state."""
        return tensor_files.read(self.state)[0]

    def save_state(self, tensors: Mapping[str, Tensor], settings: Mapping[str, Any], place: Mapping[str, Any]) -> None:
        """Write the state; the training stands at `place` from then on."""
        with self.explain_write_errors():
            tensor_files.write(self.state, tensors, {"settings": settings, "place": place})

    def cut_metrics(self, epochs: int) -> None:
        """Drop an unfinished line, and lines of epochs beyond the state's, which are trained again."""
        if self.metrics.exists():
            kept = [line for line in self.metrics.read_text().splitlines() if _parse_epoch(line) <= epochs]
            with self.explain_write_errors():
                write_file(self.metrics, "".join(f"{line}\n" for line in kept).encode())

    def add_metrics(self, line: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        with self.explain_write_errors(), self.metrics.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read the lines of metrics.jsonl."""
        return [json.loads(line) for line in self.metrics.read_text().splitlines()] if self.metrics.exists() else []

    @contextmanager
    def explain_write_errors(self) -> Iterator[None]:
        """Turn an OSError within the context into a message that a person can act on."""
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"cannot write {error.filename or self.path} ({error.strerror}); make room or correct the rights, "
                "then give the same command again: the run continues from its last state"
            ) from error


def _parse_epoch(line: str) -> float:
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
