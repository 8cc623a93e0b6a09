"""Lines of personas for tests: keys that were promised one by the other."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.persona import Inception, make_inception, make_succession
from entrenous.protocol.persona_line import PersonaLine, line_from_value


def keys_of(name: int, count: int) -> list[PersonaKey]:
    """`count` keys of one side; `name` is a byte."""
    return [PersonaKey(bytes([name, place]) * 16) for place in range(count)]


def dids_of(keys: Sequence[PersonaKey]) -> list[Did]:
    return [did_of(key.public) for key in keys]


def inceptions_of(keys: Sequence[PersonaKey]) -> list[Inception]:
    """Each promises the one after it; the last one promises a key that nobody has here."""
    digests = [sha256(key.public).digest() for key in keys[1:]]
    return [
        make_inception(key, reader_key=bytes([7]) * 32, next_digest=digest)
        for key, digest in zip(keys, (*digests, bytes(32)), strict=True)
    ]


def line_of(keys: Sequence[PersonaKey]) -> PersonaLine:
    """The line of two or more keys."""
    first, *later = inceptions_of(keys)
    dids = dids_of(keys)
    steps = [
        [make_succession(dids[place], keys[place + 1]).signed.raw, inception.signed.raw]
        for place, inception in enumerate(later)
    ]
    return line_from_value([first.signed.raw, [list(step) for step in steps]])
