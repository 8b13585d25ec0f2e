"""Phenotypes of phantoms: is each HPO term drawn where it belongs, and can a network see it on unseen faces?"""
