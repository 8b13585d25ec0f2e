"""Access to the service: API keys, scopes, owners, tenants, idempotency keys and the limit on request bodies."""
