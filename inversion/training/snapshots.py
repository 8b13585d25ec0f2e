"""Files of an inverter's training run, beside those of every run (`core.run_folders.TrainingFolder`).

inverter.safetensors        both networks: what to use, and what the next stage begins from
held_out.json               figures on held-out faces, by images seen
samples/N-held-out.png      held-out faces and their reconstructions
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.atomic_files import write_file
from core.run_folders import TrainingFolder
from faces.contact_sheets import contact_sheet
from faces.images import Pixels, encode_png, to_uint8
from inversion import inverter_file
from inversion.inverter import Inverter
from inversion.inverter_file import InverterInfo
from inversion.similarity import LEAST_PX, mean_square, ms_ssim
from inversion.training.trainer import InversionTrainer

SHOWN = 6
"""Held-out faces on a sheet."""

FOOTER = "Reconstructions of faces: edited images, no basis for a diagnosis."


class InverterFolder(TrainingFolder):
    """Folder of one training run; files in it appear whole or not at all. The module lists them."""

    fixed = ("generator", "encoder", "hypernetwork", "training.batch", "training.stage")
    begin_anew = "--from {path}/inverter.safetensors"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.inverter = path / "inverter.safetensors"
        self.held_out = path / "held_out.json"

    def save(self, trainer: InversionTrainer, info: InverterInfo, held_out: Tensor) -> None:
        """Write a snapshot. Killed at any moment, the folder holds the last one or this one.

        Args:
            held_out: faces (n, 3, h, h) of the generator's size that the run does not learn from.

        Raises:
            TrainingError: weights that are no numbers, or a file that cannot be written; nothing is replaced then
                that a resumed run needs.
        """
        trainer.check_weights()
        passes = 0 if trainer.config.stage == "encoder" else trainer.config.passes
        figures, sheet = measure_inverter(trainer.inverter, held_out.to(trainer.device), passes)
        with self.explain_write_errors():
            inverter_file.save(self.inverter, trainer.inverter, info)
            write_file(
                self.held_out,
                json.dumps(self._read_curve(trainer.images_seen) | {trainer.images_seen: figures}).encode(),
            )
            self.save_state(trainer)
        self.save_sheet("held-out", trainer.images_seen, encode_png(sheet))

    def _read_curve(self, images_seen: int) -> dict[int, Any]:
        """Read the figures of earlier snapshots."""
        if not self.held_out.exists():
            return {}
        return {
            int(seen): value for seen, value in json.loads(self.held_out.read_text()).items() if int(seen) < images_seen
        }


@torch.no_grad()
def measure_inverter(inverter: Inverter, faces: Tensor, passes: int) -> tuple[Mapping[str, list[float]], Pixels]:
    """Measure mean L2 and MS-SSIM after 0, 1, … passes, and make a sheet with a row for each face."""
    figures: dict[str, list[float]] = {"l2": [], "ms_ssim": []}
    shown = [to_uint8(faces[:SHOWN])]
    for attempt in inverter.eval().refine(faces, inverter.encode(faces), passes):
        picture = attempt.reconstruction.clamp(-1, 1)
        figures["l2"].append(mean_square(picture, faces).mean().item())
        if faces.shape[2] >= LEAST_PX:
            figures["ms_ssim"].append(ms_ssim(picture, faces).mean().item())
        shown.append(to_uint8(picture[:SHOWN]))
    titles = ["face", "encoder", *(f"pass {number}" for number in range(1, passes + 1))]
    rows = [[column[row] for column in shown] for row in range(len(shown[0]))]
    return figures, contact_sheet(rows, column_titles=titles, footer=FOOTER)
