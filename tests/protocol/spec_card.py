"""The examples of docs/spec.md on who an organisation is: its card, its domain, a vouch."""

from __future__ import annotations

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.card import (
    Card,
    Holding,
    Incident,
    KeptBack,
    Processor,
    Who,
    make_card,
)
from entrenous.protocol.command import CardPutArgs, VouchAskArgs
from entrenous.protocol.did import did_of
from entrenous.protocol.vouch import ASK_NONCE_BYTES, blinded, make_vouch
from entrenous.protocol.well_known import well_known_text
from entrenous.protocol.wire import encode
from entrenous.tests.protocol.spec_world import T_MS, Cbor, Example, cast, random, signed


def card() -> Example:
    who = cast()
    did = did_of(who.supplier.public)
    made = make_card(
        who.supplier,
        Card(
            did=did,
            n=T_MS,
            t_ms=T_MS,
            name="Volt",
            domain="volt.example.org",
            who=Who("Volt SA", "RCS 123", None, "help@volt.example.org", None),
            earns="It sells electricity.",
            holds=(
                Holding(
                    "energy/electricity", "half-hourly readings", "billing", "5 years", "contract"
                ),
            ),
            keeps_back=(KeptBack("credit scores", "bought from another, who forbids it"),),
            processors=(Processor("Example Hosting", "FR", "runs the computers"),),
            incidents=(Incident("2025-11-03", "a list was mailed", 12, "all were told"),),
        ),
    )
    args = CardPutArgs(did_of(who.person.public), made.raw)
    return [
        *signed("card", made.signed),
        ("args of /card/put", Cbor(encode(args.value()))),
        ("the document of volt.example.org", well_known_text([did]).strip()),
    ]


def vouch() -> Example:
    who = cast()
    about = did_of(who.supplier.public)
    by, to = who.person, did_of(PersonaKey(random("an acquaintance", 32)).public)
    nonce = random("a question about a vouch", ASK_NONCE_BYTES)
    made = make_vouch(by, about=about, to=to, t_ms=T_MS)
    args = VouchAskArgs(did_of(by.public), nonce, blinded(nonce, about))
    return [("args of /vouch/ask", Cbor(encode(args.value()))), *signed("vouch", made.signed)]
