"""The commands of `gestaltgen explain`: which part of a face a classifier goes by. No basis for a diagnosis."""
