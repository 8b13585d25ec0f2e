"""Plans of studies: published designs, simulated participants with known effects, power, and pre-registration."""
