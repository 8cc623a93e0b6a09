"""Reads: pages served under a grant, fetched, verified and kept."""
