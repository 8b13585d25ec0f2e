"""Synthetic and edited face images for medical genetics: the command line, and the service's client."""

from api.client import Client, ServiceError

__all__ = ["Client", "ServiceError"]
