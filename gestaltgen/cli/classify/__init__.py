"""Command `gestaltgen classify`: one file for each subcommand, the tables they print, and the group.

The files here parse options and print results. The work itself (training, prediction, measurement) is in
`recognition`.
"""
