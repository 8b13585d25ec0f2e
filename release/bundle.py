"""Offline bundle: one tar file with all wheels, shipped weights included, their hashes and a script that installs them.

    python -m release.bundle FOLDER [--models FOLDER]

The bundle is for the Python version and the platform that make it. Wheels of others are downloaded as the lock files
say, by hash; those of the project are built from the current commit.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCKS: Final = ROOT / "release" / "locks"
SETS: Final = ("serve", "full", "torch-cpu")
"""Lock files of what a bundle holds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the tar file is written")
    parser.add_argument("--models", type=Path, help="folder of checkpoints that the bundle holds too")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=options.folder) as scratch:
        bundle = Path(scratch, name_bundle())
        collect_wheels(bundle / "wheels", Path(scratch, "source"))
        if options.models:
            shutil.copytree(options.models, bundle / "models")
        write_list_of_contents(bundle / "sbom.json", Path(scratch, "requirements.txt"))
        finish_bundle(bundle)
        path = options.folder / f"{bundle.name}.tar"
        with tarfile.open(path, "w") as tar:
            tar.add(bundle, bundle.name)
    print(f"{_digest(path)}  {path} ({path.stat().st_size / 1e6:.0f} MB)")


def name_bundle() -> str:
    """Return the name of the folder in the bundle, with version, Python version and platform."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    platform = sysconfig.get_platform().replace("-", "_")
    return f"gestaltgen-{version}-python{_python()}-{platform}"


def collect_wheels(wheels: Path, source: Path) -> None:
    """Download or build the wheels of everything that the lock files name, and of the current commit."""
    build: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        wheels,
    ]
    locks = [f"--requirement={LOCKS / name}.txt" for name in SETS]
    _run([*build, "--require-hashes", *locks])
    source.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    subprocess.run(["tar", "--extract"], cwd=source, input=archive, check=True)  # noqa: S607
    _run([*build, source / "client", source])


def write_list_of_contents(path: Path, requirements: Path) -> None:
    """Write the software bill of materials (CycloneDX) of the lock files."""
    requirements.write_text("".join((LOCKS / f"{name}.txt").read_text() for name in SETS))
    program = Path(sys.executable).with_name("cyclonedx-py")
    about: list[str | Path] = ["--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--output-file", path]
    _run([program, "requirements", *about, requirements])


def finish_bundle(bundle: Path) -> None:
    """Add the requirements with the hashes of the wheels, the script that installs, and the checksums of all files."""
    pins = (f"{_pin(wheel)} --hash=sha256:{_digest(wheel)}\n" for wheel in sorted((bundle / "wheels").glob("*.whl")))
    (bundle / "requirements.txt").write_text("".join(pins))
    install = bundle / "install.sh"
    install.write_text((ROOT / "release" / "install.sh").read_text().replace("python3", f"python{_python()}"))
    install.chmod(0o755)
    shutil.copy(ROOT / "LICENSE", bundle)
    sums = bundle / "SHA256SUMS"
    sums.write_text(_list_checksums(bundle, (file for file in bundle.rglob("*") if file.is_file() and file != sums)))


def _list_checksums(folder: Path, files: Iterable[Path]) -> str:
    return "".join(f"{_digest(file)}  {file.relative_to(folder)}\n" for file in sorted(files))


def _pin(wheel: Path) -> str:
    name, version, *_ = wheel.name.split("-")
    return f"{name}=={version}"


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _run(command: Sequence[str | Path]) -> None:
    subprocess.run(command, check=True)  # noqa: S603


if __name__ == "__main__":
    main()
