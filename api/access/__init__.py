"""Access to the service: API keys and scopes, owners of objects, limits of tenants, idempotency keys, body limits.

These modules decide who may ask for what. They do not know how a request is carried out (`api.jobs`, `api.image_sets`,
`api.photographs`), nor how keys for encryption are kept (`api.encryption`).
"""
