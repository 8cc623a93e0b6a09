"""Imports: what a person was given, or tells by hand, becomes records of the vault, once."""
