"""Studies with people: planning, survey packs, answers and their analysis, eye tracking, and the report.

The package knows numbers and pictures, and no networks. The pictures of a study may be synthetic or edited, and no
result is a basis for a diagnosis.
"""
