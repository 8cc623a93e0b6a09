"""Origins: what a page came with, in the one field of the catalogue that says it.

16 bytes            an import (`journal.py`): digest of the file and the path
a statement's CID   a delivery (`deliveries.py`)
`declared`          what the person says by hand
`pushed:` ‖ CID     what one program pushes, by its delegation
`view`              what this node derived (`views.py`)
"""

from __future__ import annotations

DECLARED = b"declared"
DERIVED = b"view"
_PUSHED = b"pushed:"


def origin_of(program: bytes) -> bytes:
    """The origin of what one program pushes; `program` is the CID of its delegation."""
    return _PUSHED + program


def is_declared(origin: bytes) -> bool:
    """Whether pages of this origin were told here, by hand or by a program, and not by a file."""
    return origin == DECLARED or origin.startswith(_PUSHED)
