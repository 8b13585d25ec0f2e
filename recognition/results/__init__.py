"""Results of trained classifiers: reports, plots, and the expression probe."""
