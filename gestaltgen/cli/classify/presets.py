"""`gestaltgen classify presets`: describe the presets."""

from __future__ import annotations

from gestaltgen.cli.classify.shared_options import console
from recognition.presets import PRESETS


def presets() -> None:
    """Describe each preset, and say where the text of a study and its code differ."""
    for name, known in PRESETS.items():
        console.print(f"[bold]{name}[/]")
        console.print(f"  {known.about}\n", markup=False)
