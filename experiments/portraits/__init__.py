"""Training of the portrait generator: the tables that its data set and its training are made with.

The training itself is `gestaltgen train`; the model card `weights/portraits128.md` has its commands.
"""
