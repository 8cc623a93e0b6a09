"""Grants: what is asked, decided, given, renewed and taken back, as both sides keep it."""
