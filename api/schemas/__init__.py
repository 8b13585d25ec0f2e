"""Bodies and answers of the REST interface: untrusted data is checked here before anything else sees it.

One module for each resource.
"""
