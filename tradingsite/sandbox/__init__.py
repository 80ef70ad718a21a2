"""A desk of its own for one replay: own database, own Redis, own workers."""
