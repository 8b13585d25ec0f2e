"""Commands that run and administer the service: serve, demo, keys, tenants, audit, backup.

They parse options and print. What they do is in `api`, and the local service process of the demo in
`gestaltgen.local_service`.
"""
