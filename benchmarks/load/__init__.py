"""Benchmarks of the service under load: throughput, several processes, hostile requests, PostgreSQL."""
