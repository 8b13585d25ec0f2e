"""Work of `gestaltgen weights import --part inverter`: two files, a generator and its inverter, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.console import Console

from core import tensor_files
from core.errors import CheckpointError
from core.seen_images import SeenImages
from gen import checkpoint
from gen.checkpoint import fingerprint
from inversion import inverter_file
from inversion.inverter_file import InverterInfo
from inversion.published.importing import read_inverter

INVERTER: Final = "inverter"
"""Name of the part that is a generator and its inverter."""


def import_inverter(
    file: Path,
    w_encoder: Path | None,
    out: Path,
    *,
    licence: str,
    origin: str | None,
    seen: SeenImages,
    conv_clamp: float | None,
    console: Console,
) -> tuple[Path, Path]:
    """Write the generator of a published inverter as `out`, and the inverter beside it; return both paths.

    Raises:
        CheckpointError: files that cannot be used (`inversion.published.importing.read_inverter`), or a file that would
            be replaced.
    """
    beside = out.with_name(f"{out.stem}-inverter.safetensors")
    if beside.exists():
        raise CheckpointError(f"{beside} exists; expected a new name, or delete it first")
    with console.status(f"reading {file.name}"):
        imported = read_inverter(file, w_encoder, conv_clamp)
    if origin is None:
        files = [path for path in (file, w_encoder) if path is not None]
        named = " and ".join(f"{path.name}, sha256 {tensor_files.sha256(path)}" for path in files)
        origin = f"imported from {imported.kind} ({named})"
    inverter = imported.inverter
    info = InverterInfo(fingerprint(inverter.generator), origin, licence)
    console.print(f"{imported.kind}: generator of {inverter.generator.config.resolution} px and its inverter")
    for note in imported.notes:
        console.print(f"note: {note}", markup=False)
    with console.status("writing"):
        inverter_file.save(beside, inverter, info)
        try:
            checkpoint.save(out, inverter.generator, origin=origin, licence=licence, seen=seen)
        except BaseException:
            beside.unlink()
            raise
    console.print(
        "no limits are known for its verdicts, so every result is unjudged: measure them on 20 or more photographs of "
        f"your own by `gestaltgen evaluate-inversion {beside} --generator {out} --data HELD_OUT.zip --write-limits`"
    )
    return out, beside
