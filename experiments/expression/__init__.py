"""The expression experiment of Patel et al. 2024 on phantoms: how a smile moves a classifier's answers."""
