"""Leakage audit of a generator: whether its images, or its networks, give away who was in the training data.

`audit.py` runs it. People are chosen in `people.py` and described in `pictures.py`; `closeness.py` compares the images
with the training people, `membership.py` attacks photographs, `extraction.py` looks for copied people.
`report.py` holds the results; `page.py` and `card.py` show them.
"""
