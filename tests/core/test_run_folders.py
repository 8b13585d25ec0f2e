from __future__ import annotations

from core.run_folders import compare_settings, describe_changes


def test_settings_are_compared_by_dotted_names() -> None:
    stored = {"training": {"batch": 8, "rate": 0.1}, "sampling": {"WS": 1.0}, "gone": None}
    wanted = {"training": {"batch": 8, "rate": 0.2}, "sampling": {"WS": 0.5}, "new": 3}
    changes = compare_settings(stored, wanted, ("sampling",))
    assert changes == {"new": (None, 3), "sampling": ({"WS": 1.0}, {"WS": 0.5}), "training.rate": (0.1, 0.2)}
    assert compare_settings(stored, stored) == {}
    assert all(name in describe_changes(changes) for name in changes)
