"""A signal becomes a decision: sized, checked by every rule, stored."""
