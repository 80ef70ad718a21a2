"""One file per way of learning weights; the registry finds them."""
