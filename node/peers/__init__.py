"""Peers: with whom this node is paired, how they met, and how far each has shown who it is."""
