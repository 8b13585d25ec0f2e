"""Changes of an expression that move the pixels of a face instead of generating it again: displacements of landmarks,
a smooth warp between them, and the shading of the cheeks."""
