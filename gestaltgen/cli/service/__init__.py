"""Commands that run the service and administer its keys, tenants, audit record and backups."""
