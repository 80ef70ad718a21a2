"""One file per indicator; the registry finds them, nobody lists them."""
