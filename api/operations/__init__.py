"""Operation of the service: database, locks, file stores, metrics, logs."""
