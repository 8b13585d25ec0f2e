"""`make release`: what it builds from the project as it is, and which repositories it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from release import build
from release.build import (
    ReleaseError,
    build_distribution,
    build_release,
    check_release,
    make_reproducible,
    read_section,
    read_versions,
)

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PYPROJECT["project"]["version"]
PACKAGES = sorted(name.rstrip("*") for name in PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"])
FILES = ("pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md")


def git(folder: Path, *command: str) -> None:
    about = ["-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *about, *command], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607


def commit(folder: Path, *tags: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A commit")
    for tag in tags:
        git(folder, "tag", "--no-sign", tag)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is here, but with tiny weights, and with one commit and the tag of its version."""
    folder = tmp_path_factory.mktemp("project") / "repository"
    for name in (*PACKAGES, "client", "release", "docs"):
        skipped = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", "*.png")
        shutil.copytree(ROOT / name, folder / name, ignore=skipped)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for weights in folder.rglob("*.safetensors"):
        weights.write_bytes(b"weights")  # millions of random bytes take seconds to compress, three times
    git(folder, "init", "--quiet")
    commit(folder, f"v{VERSION}")
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository that can be released as 2.1.0."""
    folder = tmp_path / "repository"
    for name in ("client", "docs"):
        (folder / name).mkdir(parents=True)
    for name in ("pyproject.toml", "client/pyproject.toml"):
        (folder / name).write_text('[project]\nname = "x"\nversion = "2.1.0"\n')
    (folder / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 2.1.0\n")
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## 2.1.0\n\n- A change.\n\n## 2.0.0\n\n- The first.\n")
    (folder / "docs" / "upgrading.md").write_text("# Upgrading\n\n## To 2.1.0\n\nNothing to do.\n")
    git(folder, "init", "--quiet")
    commit(folder, "v2.1.0")
    return folder


def test_a_release_holds_everything_and_its_checksums(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "has_docker", lambda: False)
    monkeypatch.setattr(build, "write_bill_of_materials", lambda path, locks, about: path.write_text("{}"))
    release = build_release(project, VERSION, tmp_path)

    ours, client = f"gestaltgen-{VERSION}", f"gestaltgen_client-{VERSION}"
    built = {f"{name}{ending}" for name in (ours, client) for ending in (".tar.gz", "-py3-none-any.whl")}
    assert {file.name for file in release.iterdir()} == built | {"NOTES.md", "SHA256SUMS", "UPGRADING.md", "sbom.json"}
    assert [folder.name for folder in tmp_path.iterdir()] == [ours]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, check=True)  # noqa: S607

    with zipfile.ZipFile(release / f"{ours}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        metadata = HeaderParser().parsestr(wheel.read(f"{ours}.dist-info/METADATA").decode())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert metadata["Version"] == VERSION
    shipped = [path.relative_to(project).as_posix() for package in PACKAGES for path in (project / package).rglob("*")]
    data = {path for path in shipped if (project / path).is_file() and not path.endswith(".py")}
    assert data <= names, "data of packages that the wheel lacks"
    with zipfile.ZipFile(release / f"{client}-py3-none-any.whl") as wheel:
        assert "gestaltgen_client/py.typed" in wheel.namelist()


def test_a_distribution_is_the_same_whenever_it_is_built(project: Path, tmp_path: Path) -> None:
    built = []
    for n in range(2):
        source, release = tmp_path / f"source{n}", tmp_path / f"release{n}"
        shutil.copytree(project / "client", source)
        for file in source.rglob("*"):
            os.utime(file, (1_500_000_000 + n, 1_500_000_000 + n))
        release.mkdir()
        build_distribution(source, release, tmp_path / f"unpacked{n}", "1600000000")
        built.append({file.name: file.read_bytes() for file in release.iterdir()})
    assert len(built[0]) == 2
    assert built[0] == built[1]


def test_the_project_states_one_version_and_what_it_brings() -> None:
    assert set(read_versions(ROOT).values()) == {VERSION}
    assert read_section((ROOT / "CHANGELOG.md").read_text(), VERSION).strip()
    assert f"## To {VERSION}\n" in (ROOT / "docs" / "upgrading.md").read_text()


def test_a_tagged_and_complete_repository_can_be_released(small: Path) -> None:
    check_release(small, "2.1.0")
    assert read_section((small / "CHANGELOG.md").read_text(), "2.1.0") == "- A change.\n"


def test_everything_that_forbids_a_release_is_said_at_once(small: Path) -> None:
    (small / "new").touch()
    with pytest.raises(ReleaseError) as refused:
        check_release(small, "2.2.0")
    for reason in (
        "git status",
        "no tag v2.2.0",
        "client/pyproject.toml has version 2.1.0",
        "CITATION.cff has version 2.1.0",
        'CHANGELOG.md has no section "## 2.2.0"',
        'docs/upgrading.md has no section "## To 2.2.0"',
    ):
        assert reason in str(refused.value)


def test_a_commit_after_the_tag_is_not_the_release(small: Path) -> None:
    (small / "new").touch()
    commit(small)
    with pytest.raises(ReleaseError, match=r"no tag v2\.1\.0"):
        check_release(small, "2.1.0")


def test_an_archive_does_not_depend_on_when_and_by_whom_it_was_packed(tmp_path: Path) -> None:
    made = []
    for names in (("b", "a"), ("a", "b")):
        folder = tmp_path / names[0] / "sources"
        folder.mkdir(parents=True)
        archive = folder.parent / "sources.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for n, name in enumerate(names):
                (folder / name).write_text(name)
                member = tar.gettarinfo(folder / name, name)
                member.mtime, member.uname = n, f"person {names[0]}"
                with (folder / name).open("rb") as content:
                    tar.addfile(member, content)
        make_reproducible(archive, 1_000_000_000)
        made.append(archive.read_bytes())
    assert made[0] == made[1]
    with tarfile.open(archive) as tar:
        assert [(member.name, member.mtime, member.uid) for member in tar] == [("a", 10**9, 0), ("b", 10**9, 0)]
