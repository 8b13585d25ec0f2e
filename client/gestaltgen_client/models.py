"""What a service offers: its generators with their conditions, directions and cards, classifiers and syndromes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gestaltgen_client.connection import Connection


class Models(Connection):
    """Requests about the models of a service."""

    def conditions(self, model: str | None = None) -> dict[str, Any]:
        """List the conditions, in the order of the class indices, and the age groups of a generator."""
        return dict(self.send("GET", "v1/conditions", params={"model": model} if model else {}).json())

    def directions(self, model: str | None = None) -> list[dict[str, Any]]:
        """List the directions of a generator: how reliable each is, and which other attributes change with it."""
        answer = self.send("GET", "v1/directions", params={"model": model} if model else {})
        return list(answer.json()["items"])

    def models(self) -> list[dict[str, Any]]:
        """List the generators of the service. The first is used for requests that name none."""
        return list(self.send("GET", "v1/models").json()["items"])

    def model_cards(self, model: str | None = None) -> dict[str, str]:
        """Read the cards of a generator and of the networks that belong to it: Markdown by role, as `generator`.

        Args:
            model: a name from `models`; None takes the first.

        Raises:
            ServiceError: 404, there is no generator of that name, or the service is too old to have cards.
        """
        name = self.models()[0]["name"] if model is None else model
        return dict(self.send("GET", f"v1/models/{quote(name, safe='')}/cards").json()["cards"])

    def training_images(self, model: str | None = None) -> dict[str, Any]:
        """List the images that a generator was trained on.

        Args:
            model: a name from `models`; None takes the first.

        Returns:
            `known`, `complete`, and `keys`, 16 hex digits for each image.

        Raises:
            ServiceError: 404, there is no generator of that name, or the service is too old to have this list.
        """
        name = self.models()[0]["name"] if model is None else model
        return dict(self.send("GET", f"v1/models/{quote(name, safe='')}/training-images").json())

    def classifiers(self) -> list[dict[str, Any]]:
        """List the classifiers whose answers the service can explain."""
        return list(self.send("GET", "v1/classifiers").json()["items"])

    def syndromes(self) -> list[dict[str, Any]]:
        """List the syndromes that the service can assess photographs for, with the cards of their models."""
        return list(self.send("GET", "v1/syndromes").json()["items"])
