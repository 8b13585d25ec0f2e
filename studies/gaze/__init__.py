"""Eye tracking: where participants look on the pictures of a study, and whether an edit changes that.

Readers of Tobii Pro Lab and of other tables make fixations in the pixels of the pictures. From them come dwell times by
area of interest and heat maps, and tests of both that pair the pictures of a face and compare within participants.
"""
