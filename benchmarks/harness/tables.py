"""Tables of entries for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich.table import Table

from benchmarks.harness.entries import BenchmarkEntry
from benchmarks.harness.targets import PEER_TARGET, find_target

WIDTH: Final = 156


def format_table(entries: Sequence[BenchmarkEntry]) -> Table:
    """Make a table with a row for each entry, at most WIDTH wide; columns without content are left out."""
    columns = {
        "": [entry.name for entry in entries],
        "batch": [str(entry.batch) for entry in entries],
        "precision": [entry.precision for entry in entries],
        "published, ms": [_format_ms(entry.published_s) for entry in entries],
        "ours, ms": [_format_ms(entry.ours_s) for entry in entries],
        "images/s": ["" if entry.images_per_s is None else f"{entry.images_per_s:.1f}" for entry in entries],
        "ratio": [_format_ratio(entry.ratio) for entry in entries],
        "target": [_format_target(entry, entries) for entry in entries],
        "best peer, ms": [_format_peer(entry) for entry in entries],
        "to peer": [_format_ratio(entry.ratio_to_best_peer) for entry in entries],
        "peer target": [_format_met(entry.ratio_to_best_peer, PEER_TARGET) for entry in entries],
        "of limit": [_format_pair(entry.published_share, entry.share_of_limit, "{:.0%}") for entry in entries],
        "memory, MB": [_format_pair(entry.published_mb, entry.memory_mb, "{:.0f}") for entry in entries],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    table = Table(box=None, padding=(0, 1))
    for name in shown:
        table.add_column(name, justify="left" if name in ("", "precision") else "right", no_wrap=True)
    rows = list(zip(*shown.values(), strict=True))
    for _, same in groupby(zip(entries, rows, strict=True), key=lambda pair: (pair[0].name, pair[0].batch)):
        *most, last = [row for _, row in same]
        for row in most:
            table.add_row(*row)
        table.add_row(*last, end_section=True)
    return table


def _format_ms(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{1000 * seconds:,.1f}" if seconds >= 0.01 else f"{1000 * seconds:.3f}"


def _format_pair(published: float | None, ours: float | None, form: str) -> str:
    """Format the published value and ours, as far as they were measured."""
    return " → ".join(form.format(value) for value in (published, ours) if value is not None)


def _format_ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"[bold]{ratio:.2f}[/]"


def _format_peer(entry: BenchmarkEntry) -> str:
    return "" if entry.best_peer is None else f"{entry.best_peer} {_format_ms(entry.best_peer_s)}"


def _format_target(entry: BenchmarkEntry, entries: Sequence[BenchmarkEntry]) -> str:
    return _format_met(entry.ratio, find_target(entry, entries))


def _format_met(ratio: float | None, target: float | None) -> str:
    if target is None or ratio is None:
        return ""
    return f"≥ {target:g} " + ("[green]met[/]" if ratio >= target else "[red]missed[/]")
