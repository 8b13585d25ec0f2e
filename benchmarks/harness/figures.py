"""Figures beside their targets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Something measured.

    Attributes:
        target: what is aimed at; empty where nothing is.
        met: None where nothing is aimed at.
    """

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def expect_at_least(what: str, value: float, target: float, form: str) -> Figure:
    return Figure(what, form.format(value), f">= {form.format(target)}", value >= target)


def expect_at_most(what: str, value: float, target: float, form: str) -> Figure:
    return Figure(what, form.format(value), f"<= {form.format(target)}", value <= target)


def expect_none(what: str, count: int) -> Figure:
    return Figure(what, str(count), "0", count == 0)
