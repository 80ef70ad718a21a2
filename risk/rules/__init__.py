"""One file per rule; a rule answers with its input, its limit and why it refuses."""
