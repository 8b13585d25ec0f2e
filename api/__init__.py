"""The REST service: image sets as durable jobs, stored once, served with checksums and provenance."""
