"""Writers of the formats that institutions hand out: what is written is worked out elsewhere.

A writer is given values and gives text or bytes; it draws no dice, reads no clock and opens no
file.  One module a format, as with the readers, with which they share nothing.
"""
