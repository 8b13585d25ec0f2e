"""Ages as durations of ISO 8601, such as P7Y3M, and as years."""

from __future__ import annotations

import re
from typing import Final

from core.errors import DatasetError

OLDEST_YEARS: Final = 125.0
"""Oldest age that is believed."""

_DAYS_A_YEAR: Final = 365.25
_DURATION: Final = re.compile(r"P(?:(\d{1,5})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T[\dHMS.]+)?")


def parse_age(text: str) -> float:
    """Parse an age: a number of years, or a duration of ISO 8601 without its time of day.

    Raises:
        DatasetError: it is neither, or no age from 0 to 125 years.
    """
    match = _DURATION.fullmatch(text)
    if match is not None and any(match.groups()):
        years, months, weeks, days = (int(part or 0) for part in match.groups())
        age = years + months / 12 + (7 * weeks + days) / _DAYS_A_YEAR
    else:
        try:
            age = float(text)
        except ValueError:
            raise DatasetError(f"age {text!r} is no age; expected years, or ISO 8601 such as P7Y3M") from None
    if not 0 <= age <= OLDEST_YEARS:
        raise DatasetError(f"age {text!r} is not believed; expected 0 to {OLDEST_YEARS:g} years")
    return round(age, 5)


def parse_age_range(text: str) -> tuple[float, float]:
    """Parse a range such as P5Y/P10Y.

    Raises:
        DatasetError: it is no range of ages.
    """
    youngest, _, oldest = text.partition("/")
    ages = parse_age(youngest), parse_age(oldest)
    if ages[0] > ages[1]:
        raise DatasetError(f"range of ages {text!r} ends before it begins; expected the younger age first")
    return ages


def format_age(years: float) -> str:
    """Return an age in years as ISO 8601: years, months and days."""
    whole = int(years + 1e-4)
    months = int((years - whole) * 12 + 1e-3)
    days = round((years - whole - months / 12) * _DAYS_A_YEAR)
    parts = "".join(f"{value}{unit}" for value, unit in ((whole, "Y"), (months, "M"), (days, "D")) if value > 0)
    return f"P{parts or '0D'}"
