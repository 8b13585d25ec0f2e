"""Architectures of classifiers and the files of their pretrained backbones."""
