"""What administrators ask of a service: its API keys, and the limits of their owners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from gestaltgen_client.connection import Connection


class Administration(Connection):
    """Requests of administrators. They need a key with the scope `admin`."""

    def api_keys(self) -> list[dict[str, Any]]:
        """List all API keys of the service, without the keys themselves. Needs a key with the scope `admin`."""
        return list(self.send("GET", "v1/keys").json()["items"])

    def create_key(self, owner: str, scopes: Sequence[str], *, ttl_s: int | None = 90 * 24 * 3600) -> dict[str, Any]:
        """Make an API key and return it as `key`, with its `id` and end. Needs a key with the scope `admin`.

        A request whose answer is lost is sent again and makes another key; revoke those that nobody has.

        Args:
            owner: name of the owner.
            scopes: of `image-sets`, `photos`, `metrics` and `admin`.
            ttl_s: seconds until it expires; None: never.
        """
        body = {"owner": owner, "scopes": list(scopes), "ttl_s": ttl_s}
        return dict(self.send("POST", "v1/keys", json=body).json())

    def revoke_key(self, key_id: str) -> dict[str, Any]:
        """Revoke an API key at once, by its id. Needs a key with the scope `admin`."""
        return dict(self.send("POST", f"v1/keys/{quote(key_id, safe='')}/revoke").json())

    def tenants(self) -> list[dict[str, Any]]:
        """List the owners of keys, what is stored for them, and their limits. Needs a key with the scope `admin`."""
        return list(self.send("GET", "v1/tenants").json()["items"])

    def limit_tenant(self, owner: str, **limits: Any) -> dict[str, Any]:
        """Set all limits of an owner. Needs a key with the scope `admin`.

        Args:
            owner: name of the owner.
            limits: `requests_per_minute`, `images_waiting`, `stored_mb`, `models`, `photo_ttl_s`; those left out do not
                limit the owner beyond the limits of the service.
        """
        return dict(self.send("PUT", f"v1/tenants/{quote(owner, safe='')}", json=limits).json())
