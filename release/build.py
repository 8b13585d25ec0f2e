"""Build a release: wheels and sources of project and client, image of the service, checksums, list of contents, notes.

    python -m release.build FOLDER --version 1.0.0

Everything is built from the commit that is checked out, which must carry the tag `v1.0.0`. The same tag gives the same
wheels and archives of sources, byte for byte, if the same setuptools builds them; times in them are the commit's.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from release.files import export_sources, list_checksums, run_program, write_bill_of_materials

ROOT: Final = Path(__file__).parents[1]
LOCKS: Final = ("serve", "full", "torch-default")
"""Lock files of what the image installs, which the list of contents names."""
UPGRADING: Final = Path("docs", "upgrading.md")

_SDIST: Final = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
_WHEEL: Final = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


class ReleaseError(Exception):
    """Why this commit cannot be released: every reason, and what to do about it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder is made in it, named for the release")
    parser.add_argument("--version", required=True, help="the version, such as 1.0.0; the tag is v and the version")
    options = parser.parse_args()
    try:
        built = build_release(ROOT, options.version, options.folder)
    except ReleaseError as error:
        sys.exit(f"error: {error}")
    print(f"{(built / 'SHA256SUMS').read_text()}The release is in {built}.")


def build_release(root: Path, version: str, folder: Path) -> Path:
    """Build the release of a version from a repository, and return the new folder that holds it.

    Raises:
        ReleaseError: the tree, the tag, the changelog or the versions do not fit, or the folder exists.
    """
    check_release(root, version)
    target = folder.resolve() / f"gestaltgen-{version}"
    if target.exists():
        raise ReleaseError(f"{target} exists: remove it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the finished release is moved there at once.
    with TemporaryDirectory(dir=folder) as scratch:
        sources, release = Path(scratch, "sources"), Path(scratch, "release")
        export_sources(root, f"v{version}", sources)
        release.mkdir()
        time = _ask_git(root, "log", "-1", "--format=%ct")
        for project in (sources / "client", sources):
            build_distribution(project, release, Path(scratch, "unpacked"), time)
        build_image(sources, version, _ask_git(root, "rev-parse", "HEAD"), release)
        locks = [sources / "release" / "locks" / f"{name}.txt" for name in LOCKS]
        write_bill_of_materials(release / "sbom.json", locks, sources / "pyproject.toml")
        (release / "NOTES.md").write_text(read_section((sources / "CHANGELOG.md").read_text(), version))
        shutil.copy(sources / UPGRADING, release / "UPGRADING.md")
        (release / "SHA256SUMS").write_text(list_checksums(release, release.iterdir()))
        release.rename(target)
    return target


def check_release(root: Path, version: str) -> None:
    """Check that the commit that is checked out is the release of a version, and complete.

    Raises:
        ReleaseError: with every reason why it is not.
    """
    reasons = []
    if _ask_git(root, "status", "--porcelain"):
        reasons.append("files are changed or not in the repository (git status): commit or remove them")
    if f"v{version}" not in _ask_git(root, "tag", "--points-at", "HEAD").splitlines():
        reasons.append(f"the commit has no tag v{version}: git tag --annotate v{version}")
    reasons += [
        f"{file} has version {found}, and this is {version}"
        for file, found in read_versions(root).items()
        if found != version
    ]
    if not read_section((root / "CHANGELOG.md").read_text(), version).strip():
        reasons.append(f'CHANGELOG.md has no section "## {version}"')
    if f"## To {version}\n" not in (root / UPGRADING).read_text():
        reasons.append(f'{UPGRADING} has no section "## To {version}"')
    if reasons:
        raise ReleaseError("; ".join(reasons))


def read_versions(root: Path) -> dict[str, str]:
    """Return the versions that the files of a repository state, by file.

    The service answers with the version of the installed distribution, which is that of `pyproject.toml`.
    """
    projects = ("pyproject.toml", "client/pyproject.toml")
    versions = {name: str(tomllib.loads((root / name).read_text())["project"]["version"]) for name in projects}
    [cited] = re.findall(r"^version: (.*)$", (root / "CITATION.cff").read_text(), re.MULTILINE)
    return {**versions, "CITATION.cff": cited}


def read_section(changelog: str, version: str) -> str:
    """Return what a changelog says of a version, without the heading; "" if nothing."""
    found = re.search(rf"^## {re.escape(version)}\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found.group(1).strip() + "\n" if found else ""


def build_distribution(project: Path, release: Path, unpacked: Path, time: str) -> None:
    """Build the archive of sources of a project, and its wheel from that archive, so that the archive is complete.

    Args:
        project: folder with a `pyproject.toml`.
        release: folder to which both files are added.
        unpacked: folder for the contents of the archive.
        time: seconds since 1970 that all files carry.
    """
    environment = {**os.environ, "SOURCE_DATE_EPOCH": time}
    known = set(release.iterdir())
    run_program([sys.executable, "-c", _SDIST, release], project, environment, quiet=True)
    [archive] = set(release.iterdir()) - known
    make_reproducible(archive, int(time))
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    folder = unpacked / archive.name.removesuffix(".tar.gz")
    run_program([sys.executable, "-c", _WHEEL, release], folder, environment, quiet=True)


def make_reproducible(archive: Path, time: int) -> None:
    """Write a .tar.gz anew with its members in order, all of one time, and of no user."""
    plain = BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            content = old.extractfile(member)
            member.mtime, member.uid, member.gid, member.uname, member.gname = time, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, content)
    with archive.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=time) as packed:
        packed.write(plain.getvalue())


def build_image(sources: Path, version: str, commit: str, release: Path) -> None:
    """Build the container image of the service and add it to the release as a file, if Docker is there."""
    if not has_docker():
        print(
            f"No image is built: Docker does not answer. Where it does: docker build --tag gestaltgen:{version} .",
            file=sys.stderr,
        )
        return
    name = f"gestaltgen:{version}"
    labels = {"version": version, "revision": commit, "licenses": "Apache-2.0"}
    named = [f"--label=org.opencontainers.image.{key}={value}" for key, value in labels.items()]
    run_program(["docker", "build", f"--tag={name}", *named, sources])
    run_program(["docker", "save", f"--output={release / f'gestaltgen-{version}-image.tar'}", name])


def has_docker() -> bool:
    """Tell whether there is a Docker daemon that answers."""
    program = shutil.which("docker")
    return program is not None and subprocess.run([program, "info"], capture_output=True, check=False).returncode == 0  # noqa: S603


def _ask_git(root: Path, *question: str) -> str:
    return subprocess.run(  # noqa: S603
        ["git", *question],  # noqa: S607
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


if __name__ == "__main__":
    main()
