"""How much: one method per file."""
