"""Training of a generator: the recipe, the data, one step, the loop, and the folder of a run.

What a command asks for and prints is in `gestaltgen.cli.training`.
"""
