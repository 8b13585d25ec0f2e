"""Parts of a release: the lock files of everything that is installed, and the offline bundle."""
