"""Commands that make image sets and edit photographs on this machine, without a service."""
