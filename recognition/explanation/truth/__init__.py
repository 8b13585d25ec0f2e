"""Truth of explanations, measured on phantoms: do saliency maps show the regions that an answer depends on?

For a phantom the causal share of a region is known: how far the logit moves if the region loses what the condition
changed in it, everything else kept. `restoration` redraws such faces, `test_faces` and `moves` measure the moves and
the maps, and `truth_table` compares the two.
"""
