"""Wires every floor together: settings, pipelines, API root, live pages."""
