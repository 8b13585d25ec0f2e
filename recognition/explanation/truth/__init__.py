"""Truth of explanations, measured on phantoms: do saliency maps show the regions that an answer depends on?

For a phantom the causal share of a region is known: how far the logit moves if the region loses what the condition
changed in it, everything else kept. `restoration` says how such a person looks, `phantom_faces` draws the pictures,
`measurement` measures moves and maps, and `truth_table` compares the two.
"""
