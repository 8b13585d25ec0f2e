"""The lock files fit pyproject.toml: everything it asks for is there once, exactly, with hashes, for every Python."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "release" / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
SETS = {
    ("serve",): ["c2pa", "s3"],
    ("serve", "full", "torch-cpu"): ["full"],
    ("serve", "full", "torch-default"): ["full"],
    ("serve", "full", "dev", "torch-cpu"): ["full", "dev"],
}
"""Lock files that are installed together, and the extras that they are for."""


class Pin(NamedTuple):
    """A line of a lock file."""

    name: str
    version: Version
    marker: Marker | None
    hashes: int


def read_pins(name: str) -> list[Pin]:
    text = re.sub(r"#.*", "", (LOCKS / f"{name}.txt").read_text()).replace("\\\n", " ")
    pins = []
    for line in filter(str.strip, text.splitlines()):
        asked = Requirement(line.partition("--hash")[0])
        [exact] = asked.specifier
        assert exact.operator == "=="
        pins.append(Pin(canonicalize_name(asked.name), Version(exact.version), asked.marker, line.count("sha256:")))
    return pins


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("sets", SETS, ids="+".join)
def test_everything_is_locked_once_and_within_its_range(sets: tuple[str, ...], python: str) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.1"}
    pins = [
        pin for name in sets for pin in read_pins(name) if pin.marker is None or pin.marker.evaluate({**environment})
    ]
    assert [name for name, count in Counter(pin.name for pin in pins).items() if count > 1] == []
    versions = {pin.name: pin.version for pin in pins}
    extras = PROJECT["optional-dependencies"]
    for line in [*PROJECT["dependencies"], *(line for extra in SETS[sets] for line in extras[extra])]:
        asked = Requirement(line)
        if not asked.name.startswith("gestaltgen"):
            assert asked.specifier.contains(versions[canonicalize_name(asked.name)]), line


def test_every_python_that_is_locked_is_one_that_the_project_takes() -> None:
    takes = [f"3.{minor}" for minor in range(20) if SpecifierSet(PROJECT["requires-python"]).contains(f"3.{minor}.1")]
    assert takes == PYTHONS
    named = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert named == PYTHONS


@pytest.mark.parametrize("name", sorted(path.stem for path in LOCKS.glob("*.txt")))
def test_every_pin_has_hashes(name: str) -> None:
    assert [pin.name for pin in read_pins(name) if not pin.hashes] == []


def test_both_builds_of_pytorch_are_of_one_release() -> None:
    [cpu] = read_pins("torch-cpu")
    [default] = [pin for pin in read_pins("torch-default") if pin.name == "torch"]
    assert (cpu.version.release, cpu.version.local) == (default.version.release, "cpu")
