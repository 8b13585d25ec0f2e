"""Reasons for which requests are refused, as the metrics count them."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "malformed",
    "no_key",
    "other_scope",
    "not_found",
    "other_method",
    "too_slow",
    "not_possible_now",
    "too_large",
    "media_type",
    "range",
    "invalid",
    "bad_picture",
    "too_many_jobs",
    "too_many_images",
    "too_many_requests",
    "no_room",
    "failure",
    "queue_full",
    "busy",
    "loading",
    "broken_model",
    "database",
    "other",
]
"""Label of a refused request in the metrics: coarser than the type of its problem."""
