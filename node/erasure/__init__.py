"""Erasure: a record, a collection or a home, gone from the files of this node."""
