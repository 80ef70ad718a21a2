"""Bars and a score become a signal."""
