"""Every limit, with its reason.  What passes one is refused before memory is taken.

A limit that comes with the formats (`formats.md`) is part of the protocol: both sides hold it.
"""

from __future__ import annotations

# --- wire -----------------------------------------------------------------------------------------
# A frame is one window of pages or one part of a delivery (1 MiB) and room for its envelope.
FRAME_BYTES_MAX = 1024 * 1024 + 128 * 1024
# Nothing in the formats nests deeper than a policy (9) inside a token inside a frame.
DEPTH_MAX = 32
# Elements of all lists and maps of one value: an offer with 1 MiB of one-bucket pages names 1,024
# entries of 14 fields; five times that.
ITEMS_MAX = 80_000
# DAG-CBOR integers are 64 bits; signed so that every language can hold them.
INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
# Names, purposes, labels of devices: a line of text.
LINE_CHARS_MAX = 256
# Free text shown to a person: reasons, clauses.
TEXT_CHARS_MAX = 4_096
# did:key of an Ed25519 key has 56 characters; other methods are refused by form.
DID_CHARS_MAX = 128
# A signed object that is not a delivery or an offer.
SIGNED_BYTES_MAX = 256 * 1024
