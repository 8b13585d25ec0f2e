"""Studio: pages of the service for people who do not program.

A page reads through the same dependencies as the routes under /v1, and changes things only through requests to these
routes, which the application answers itself, in process. So keys, owners, limits and the audit of photographs hold for
pages as they do for programs.
"""
