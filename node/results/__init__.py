"""Results: what the operations of a node answer, as a client sees it.

Days are those of `protocol/day.py` (UTC), times are milliseconds or seconds as the name ends, CIDs
are 36 bytes.  `short` is the shortest text that names the same thing here and now; every operation
that takes an id takes it, or any longer part of it.
"""
