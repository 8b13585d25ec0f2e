"""Do synthetic faces help a classifier of conditions? The study's experiment, on phantoms; `python -m` runs it."""
