"""The offline bundle: its requirements name the hashes of its wheels, and its script refuses changed files."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from release.bundle import finish_bundle, name_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose only wheel is none."""
    folder = tmp_path / name_bundle()
    (folder / "wheels").mkdir(parents=True)
    (folder / "wheels" / "nothing_much-1.2-py3-none-any.whl").write_bytes(b"wheel")
    finish_bundle(folder)
    return folder


def install(bundle: Path, environment: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([bundle / "install.sh", environment], capture_output=True, text=True, check=False)  # noqa: S603


def test_requirements_are_exact_and_have_the_hashes_of_the_wheels(bundle: Path) -> None:
    digest = hashlib.sha256(b"wheel").hexdigest()
    assert (bundle / "requirements.txt").read_text() == f"nothing_much==1.2 --hash=sha256:{digest}\n"
    listed = [line.split("  ") for line in (bundle / "SHA256SUMS").read_text().splitlines()]
    assert {name for _, name in listed} == {
        "LICENSE",
        "install.sh",
        "requirements.txt",
        "wheels/nothing_much-1.2-py3-none-any.whl",
    }
    for written, name in listed:
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == written


def test_a_damaged_bundle_is_not_installed(bundle: Path, tmp_path: Path) -> None:
    (bundle / "wheels" / "nothing_much-1.2-py3-none-any.whl").write_bytes(b"other")
    refused = install(bundle, tmp_path / "environment")
    assert refused.returncode == 1
    assert "nothing_much" in refused.stdout + refused.stderr
    assert not (tmp_path / "environment").exists()
