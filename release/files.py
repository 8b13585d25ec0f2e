"""Files of a release: digests, lists of checksums, the sources of a commit, and the software bill of materials."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def digest(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def list_checksums(folder: Path, files: Iterable[Path]) -> str:
    """Return lines for `sha256sum --check`, sorted, with names relative to the folder."""
    return "".join(f"{digest(file)}  {file.relative_to(folder)}\n" for file in sorted(files))


def export_sources(root: Path, commit: str, folder: Path) -> None:
    """Write the files of a commit, without its history, into a new folder."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=root, capture_output=True, check=True).stdout  # noqa: S603, S607
    subprocess.run(["tar", "--extract"], cwd=folder, input=archive, check=True)  # noqa: S607


def write_bill_of_materials(path: Path, locks: Sequence[Path], pyproject: Path) -> None:
    """Write the software bill of materials (CycloneDX) of lock files; needs `cyclonedx-py` beside the interpreter."""
    requirements = path.with_suffix(".requirements")
    requirements.write_text("".join(lock.read_text() for lock in locks))
    program = Path(sys.executable).with_name("cyclonedx-py")
    about: list[str | Path] = ["--pyproject", pyproject, "--output-reproducible", "--output-file", path]
    run_program([program, "requirements", *about, requirements])
    requirements.unlink()


def run_program(
    command: Sequence[str | Path],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> None:
    """Run a program, in a folder and an environment if they are given; `quiet` drops what it prints but its errors.

    Raises:
        subprocess.CalledProcessError: it ends with another status than 0.
    """
    output = subprocess.DEVNULL if quiet else None
    subprocess.run(command, cwd=folder, env=environment, stdout=output, check=True)  # noqa: S603
