"""Import of directions that other programs fitted, such as InterfaceGAN's boundaries, into our file of directions.

Our own files are read by `editing.direction_file`; directions are fitted by `editing.fitting`.
"""
