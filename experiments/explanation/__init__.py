"""Truth of explanations: do saliency maps of classifiers of phantoms show the regions that the answers depend on?"""
