"""The routes of the REST service: one file for each resource.

A route checks the request and calls a store or queues a job; it holds no logic of its own.
"""
