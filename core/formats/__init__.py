"""Formats that several packages write and read.

`archives` has folders and zips of named files; `face_areas` has the areas of interest of a face, from its landmarks.
"""
