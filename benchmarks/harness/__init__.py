"""The harness of every benchmark: timing in turns, comparison, memory, tables, plots and targets."""
