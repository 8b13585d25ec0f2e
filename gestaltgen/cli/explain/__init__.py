"""The commands of `gestaltgen explain`: which part of a face a classifier uses. No basis for a diagnosis."""
