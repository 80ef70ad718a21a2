"""Instruments, bars, streams, splits, accounts; indicators and feeds."""
