"""Helpers: peers that keep encrypted pages of an owner and serve them while it is away."""
