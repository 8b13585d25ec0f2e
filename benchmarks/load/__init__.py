"""Load: the service as a whole, under many requests, hostile ones, kills, several processes, and PostgreSQL.

Single operations are timed in `benchmarks.speed`.
"""
