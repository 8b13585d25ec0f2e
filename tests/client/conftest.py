"""The client is tested against real services, which are those of the service's own tests."""

from tests.api.conftest import lab, on_postgresql, running, storage

__all__ = ["lab", "on_postgresql", "running", "storage"]
