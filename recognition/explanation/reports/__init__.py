"""Reports of explanations of the faces of a data set: masks of each face, the work face by face, tables and a page.

A report holds pictures of the faces, and is treated as they are. Nothing in it is a basis for a diagnosis.
"""
