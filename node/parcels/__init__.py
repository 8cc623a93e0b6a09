"""Parcels: the exchange without a network, in files."""
