"""Measurements against a real OpenLDAP server: ``python -m benchmarks 1000 10000``."""
