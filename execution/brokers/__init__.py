"""Adapters: one outside venue each, all behind `base.Broker`."""
