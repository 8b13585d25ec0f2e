"""The audit record of photographs: its entries, the chain of their hashes, and the database that keeps them."""
