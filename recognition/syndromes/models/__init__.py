"""Models that tell the patients of one syndrome from matched controls, each a scikit-learn estimator."""
