"""Networks that inversion uses: encoders, the hypernetwork, and feature networks for losses and quality."""
