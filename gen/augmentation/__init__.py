"""What is done to images before the discriminator sees them."""
