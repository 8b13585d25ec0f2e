"""Files of each tool that a study is exported for, one module a tool.

Each has a function `generate_files(study, images)`, which yields the names and bytes of the files in the tool's folder.
None of the files contains the truth about an image.
"""
