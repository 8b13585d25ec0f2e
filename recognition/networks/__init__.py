"""Architectures of classifiers, and files of pretrained weights for their backbones.

Training, and the file of a trained classifier, lie elsewhere: `recognition.training`, `recognition.classifier`.
"""
