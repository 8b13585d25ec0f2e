"""Fixtures of the commands that run and administer the service."""

from tests.open_databases import close_databases

__all__ = ["close_databases"]
