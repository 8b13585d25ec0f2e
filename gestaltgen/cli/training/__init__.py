"""Commands that make data sets, train networks and measure them."""
