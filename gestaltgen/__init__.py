"""The command line of the project. The client of the service is re-exported here; it lives in `client/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gestaltgen_client import Client, ServiceError

__all__ = ["Client", "ServiceError"]


def __getattr__(name: str) -> Any:
    """Import the client when it is first used: commands that need none start faster without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import gestaltgen_client

    return getattr(gestaltgen_client, name)
