"""Jobs: the list of jobs, the durable queue, the fair queue in memory, and which processes are alive.

What a job of each kind does is defined in the packages above (`api.image_sets`, `api.photographs`), as a `Work`.
"""
