"""Vectors of segments, whole and in runs: what a device vouches for."""

from __future__ import annotations

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.labels import Signed
from entrenous.protocol.cid import cid_text
from entrenous.protocol.segment import runs
from entrenous.protocol.signed import sign
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, hexes
from entrenous.tests.vectors.open_pages import entry_with
from entrenous.tests.vectors.open_vault import vault
from entrenous.tests.vectors.open_world import (
    PERSON,
    STRANGER,
    SUPPLIER,
    T_MS,
    TABLET_CERTIFICATE,
)


def segments() -> Subject:
    two, tablet = vault()[1], vault()[3]
    entries = [page.entry.encoded() for page in two.pages]
    cases = [
        Case(
            f"segment: {name}",
            "segment",
            {
                "head": commit.segment.head.raw.hex(),
                "entries": hexes(page.entry.encoded() for page in commit.pages),
                "padding": hexes(commit.segment.padding),
                "certificates": hexes([certificate.signed.raw]),
                "persona": PERSON.did,
                "t_ms": T_MS,
            },
            {
                "cid": cid_text(commit.segment.head.cid),
                "device": commit.segment.head.dev,
                "seq": commit.segment.head.seq,
            },
        )
        for name, commit, certificate in (
            ("of a device", two, PERSON.certificate),
            ("of the tablet", tablet, TABLET_CERTIFICATE),
        )
    ]
    for name, first, size in (
        ("in the middle", 3, 4),
        ("one entry", 0, 1),
        ("up to the padding", 9, 6),
    ):
        run = runs(two.segment, range(first, first + size))[0]
        cases.append(
            Case(
                f"run: {name}",
                "run",
                {
                    "head": two.segment.head.raw.hex(),
                    "run": encode(run.value()).hex(),
                    "entries": hexes(entries[first : first + size]),
                },
                {"segment": cid_text(two.segment.head.cid), "pages": size},
            )
        )
    return Subject(
        "segments.json", "What a device vouches for, whole and in runs.", cases, _segment_faults()
    )


def _segment_faults() -> list[Fault]:
    two = vault()[1]
    of, run_of = "segment: of a device", "run: in the middle"
    entries = [page.entry.encoded() for page in two.pages]
    run = runs(two.segment, range(3, 7))[0].value()
    hashes = run[3]
    assert isinstance(hashes, list)
    body = two.segment.head.signed.body

    def head(**changed: Value) -> str:
        return sign(Signed.SEGMENT, {**body, **changed}, PERSON.device).raw.hex()

    def told(name: str, why: str, place: int, value: Value) -> Fault:
        found = list(run)
        found[place] = value
        return Fault(f"run: {name}", run_of, why, {"run": encode(found).hex()})

    other_salt = entry_with(two.pages[4].entry, 1, bytes(32))
    return [
        Fault(
            "segment: entries out of order",
            of,
            "segment",
            {"entries": hexes([entries[1], entries[0], *entries[2:]])},
        ),
        Fault("segment: an entry is missing", of, "segment", {"entries": hexes(entries[1:])}),
        Fault("segment: an entry with another salt", of, "segment", {"entries.4": other_salt}),
        Fault("segment: not a power of two", of, "form", {"head": head(n=15)}),
        Fault("segment: another root", of, "segment", {"head": head(root=bytes(32))}),
        Fault(
            "segment: signed by another device",
            of,
            "signature",
            {"head": sign(Signed.SEGMENT, body, STRANGER.device).raw.hex()},
        ),
        Fault("segment: written by another device", of, "writer", _written_by_another()),
        Fault(
            "segment: of a device without a certificate", of, "certificate", {"certificates": []}
        ),
        Fault(
            "segment: of a device of somebody else",
            of,
            "certificate",
            {"certificates": hexes([STRANGER.certificate.signed.raw])},
        ),
        Fault("run: an entry with another salt", run_of, "proof", {"entries.1": other_salt}),
        Fault(
            "run: entries out of order",
            run_of,
            "segment",
            {"entries": hexes([entries[4], entries[3], *entries[5:7]])},
        ),
        Fault(
            "run: an entry of a fellow reader",
            run_of,
            "writer",
            {"entries.0": entry_with(two.pages[3].entry, 11, SUPPLIER.device_did)},
        ),
        told("a hash too few", "proof", 3, hashes[:-1]),
        told("a hash too many", "proof", 3, [*hashes, bytes(32)]),
        told("hashes in reverse", "proof", 3, list(reversed(hashes))),
        told("at another place", "proof", 1, 4),
        told("of another segment", "segment", 0, vault()[0].segment.head.cid),
        told("of more entries", "segment", 2, 5),
    ]


def _written_by_another() -> dict[str, Json]:
    """A segment of the tablet's pages under the name of the other device: its signature is good."""
    tablet = vault()[3]
    body = {**tablet.segment.head.signed.body, "dev": PERSON.device_did}
    return {
        "head": sign(Signed.SEGMENT, body, PERSON.device).raw.hex(),
        "entries": hexes(page.entry.encoded() for page in tablet.pages),
        "padding": hexes(tablet.segment.padding),
    }
