"""Networks that read the attributes and the landmarks of phantoms from pixels, and their training."""
