"""Studio of the service as people see it: screenshots of every page, and how long a newcomer and a page take.

A service of its own, with the shipped weights and with models trained on phantoms, is filled with an example of each
thing. No photograph is used: a drawn face stands for one.
"""
