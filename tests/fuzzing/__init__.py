"""Property tests of everything that reads files of strangers, by Hypothesis: only the project's errors, soon, in little
memory. In the ordinary tests the examples are few and always the same; `make fuzz` looks for new ones."""
