"""Exports: a whole vault as files that anybody can read, and the way back in."""
