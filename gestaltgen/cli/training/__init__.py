"""Commands that make data sets, train generators, inverters and directions, and measure them."""
