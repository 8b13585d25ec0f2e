"""Versions of the packages that computed a result."""

from __future__ import annotations

from importlib.metadata import version


def list_versions() -> dict[str, str]:
    """Return the versions of this project and of the packages that its numbers depend on."""
    return {name: version(name) for name in ("gestaltgen", "numpy", "scipy")}
