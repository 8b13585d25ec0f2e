"""The command line: one file for each command, which parses options and prints results.

What commands do is in the packages below.
"""
