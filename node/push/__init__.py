"""Pushing: local programs add records over a socket of their own."""
