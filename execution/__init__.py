"""A decision becomes an order, fills, a position, equity."""
