"""The documentation site: `make docs` writes it from the Markdown files of the repository and from the code."""
