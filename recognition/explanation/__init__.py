"""Explanation of classifiers: which part of a face an answer goes by, and whether that is true.

`saliency` computes maps by fifteen methods, `regions` summarises them by parts of the face, `questions` compares groups
of faces, `truth` compares maps with what is known of phantoms, and `face_explanation` puts one face's results together.
No map is a basis for a diagnosis.
"""

from recognition.explanation.saliency.methods import METHODS, attribute

__all__ = ["METHODS", "attribute"]
