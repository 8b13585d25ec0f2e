"""Commands that make and edit images without a service."""
