"""Offline bundle: one tar file with all wheels, shipped weights included, their hashes and a script that installs them.

    python -m release.bundle FOLDER [--models FOLDER]

The bundle is for the Python version and the platform that make it. Wheels of others are downloaded as the lock files
say, by hash; those of the project are built from the current commit.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import sysconfig
import tarfile
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from release.files import digest, export_sources, list_checksums, run_program, write_bill_of_materials

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
        locks = [LOCKS / f"{name}.txt" for name in SETS]
        write_bill_of_materials(bundle / "sbom.json", locks, ROOT / "pyproject.toml")
        finish_bundle(bundle)
        path = options.folder / f"{bundle.name}.tar"
        with tarfile.open(path, "w") as tar:
            tar.add(bundle, bundle.name)
    print(f"{digest(path)}  {path} ({path.stat().st_size / 1e6:.0f} MB)")


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
    run_program([*build, "--require-hashes", *locks])
    export_sources(ROOT, "HEAD", source)
    run_program([*build, source / "client", source])


def finish_bundle(bundle: Path) -> None:
    """Add the requirements with the hashes of the wheels, the script that installs, and the checksums of all files."""
    pins = (f"{_pin(wheel)} --hash=sha256:{digest(wheel)}\n" for wheel in sorted((bundle / "wheels").glob("*.whl")))
    (bundle / "requirements.txt").write_text("".join(pins))
    install = bundle / "install.sh"
    install.write_text((ROOT / "release" / "install.sh").read_text().replace("python3", f"python{_python()}"))
    install.chmod(0o755)
    shutil.copy(ROOT / "LICENSE", bundle)
    sums = bundle / "SHA256SUMS"
    sums.write_text(list_checksums(bundle, (file for file in bundle.rglob("*") if file.is_file() and file != sums)))


def _pin(wheel: Path) -> str:
    name, version, *_ = wheel.name.split("-")
    return f"{name}=={version}"


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


if __name__ == "__main__":
    main()
