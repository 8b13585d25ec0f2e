"""Questions about groups of faces that saliency maps are asked, and their reports.

`age_groups` compares the occlusion maps of ages, `affected_or_not` and `hpo_terms` ask what the relevance of facial
regions goes with, and `condition_terms` tells which HPO terms tell conditions apart. Persons, not faces, are the units.
"""
