"""What a release is made of: the lock files of everything that is installed, and the offline bundle."""
