"""Statistics that several packages use, such as the correction of p-values for their number."""
