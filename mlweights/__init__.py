"""Indicator scores times weights; the weights are learned, versioned, never changed."""
