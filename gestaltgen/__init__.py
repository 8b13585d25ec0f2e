"""The command line of the project. The client of the service is re-exported here; it lives in `client/`."""

from gestaltgen_client import Client, ServiceError

__all__ = ["Client", "ServiceError"]
