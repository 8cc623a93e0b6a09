"""The papers of an export: what was signed, said and agreed, beside the records.

Everything that was signed is given as it was signed (`signed`, base64), so that a stranger can
verify it, with its content in words beside it.  No secret is among them: no key of a grant, of a
pair, of a persona.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

from ...protocol.cid import cid_text
from ...protocol.export_manifest import day_text
from ...protocol.json_text import write_object
from ...protocol.receipt import Receipt
from ...protocol.request import parse_request
from ...protocol.terms import Terms
from ...protocol.window import Window
from ...protocol.wire import Value
from ..exchange.deliveries import Received
from ..node import Node
from ..reads.serving import kept_statement
from ..store.database import Tx
from ..store.objects import Kind
from ..vault.facts import TellerKey
from ..vault.journal import Import, write_same_as
from .records import SignedDay


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def statement_object(
    node: Node, tx: Tx, statement: bytes, path: str, days: Sequence[SignedDay]
) -> bytes:
    """One statement: as signed, the leaf of each of its days, the salts of those in the export."""
    signed, leaves = kept_statement(node.store.objects.get(tx, Kind.STATEMENT, statement))
    received = node.store.objects.get(tx, Kind.DELIVERY, ["in", statement])
    return write_object(
        {
            "statement": cid_text(statement),
            "signed": base64_text(signed.raw),
            "src": signed.src,
            "sub": signed.sub,
            "path": signed.path,
            "kept_under": path,
            "schema": signed.schema.name,
            "first": day_text(signed.first),
            "last": day_text(signed.last),
            "leaves": [leaf.hex() for leaf in leaves],
            "days": [
                {
                    "day": day_text(one.day),
                    "page": one.page,
                    "records": one.count,
                    "salt": one.salt.hex(),
                }
                for one in sorted(days, key=lambda one: one.day)
            ],
            "received": None if received is None else _received(Received.from_value(received)),
        }
    )


def _received(one: Received) -> Value:
    return {
        "records": one.records,
        "t_ms": one.t_ms,
        "told": None if one.told is None else one.told.value(),
    }


# --- who told -------------------------------------------------------------------------------------


def sources(node: Node, tx: Tx, numbered: Mapping[tuple[str, TellerKey], int]) -> Iterator[bytes]:
    """Who told: a line for each `_source` of the records."""
    for (path, key), number in sorted(numbered.items(), key=lambda item: item[1]):
        origin, statement = key
        teller = node.vault.tellers.of(tx, origin, statement)
        yield write_object(
            {
                "source": number,
                "path": path,
                "how": teller.how.value,
                "who": teller.who,
                "origin": origin.hex(),
                "statement": None if statement is None else cid_text(statement),
            }
        )


def imports(node: Node, tx: Tx, paths: Sequence[str]) -> Iterator[bytes]:
    """The journal of imports into these paths."""
    for row in node.imports.journal.all(tx):
        if row.path in paths:
            yield write_object(_import(row))


def _import(row: Import) -> dict[str, object]:
    found: dict[str, object] = {}
    for f in fields(row):
        value: object = getattr(row, f.name)
        found[f.name] = value.hex() if isinstance(value, bytes) else value
    return {
        **found,
        "state": row.state.value,
        "first": day_text(row.first),
        "last": day_text(row.last),
        "same_as": write_same_as(row.same_as),
    }


def left_out(node: Node, tx: Tx, paths: Sequence[str]) -> Iterator[bytes]:
    """What imports found told already, word for word: a digest for each record."""
    for path in paths:
        collection = node.vault.collections.find(tx, path)
        months = () if collection is None else collection.months
        for origin, days in sorted(node.vault.left_out.of(tx, path, months).items()):
            for day, digests in sorted(days.items()):
                yield write_object(
                    {
                        "path": path,
                        "import": origin.hex(),
                        "day": day_text(day),
                        "digests": [one.hex() for one in sorted(digests)],
                    }
                )


def people(node: Node, tx: Tx) -> bytes:
    """The people of the house, and whose a collection is whose path does not say it."""
    household = node.household
    return write_object(
        {
            "people": [one.value() for one in household.all(tx, removed=True)],
            "whose": [[path, list(of)] for path, of in sorted(household.assigned(tx).items())],
        }
    )


# --- what was agreed ------------------------------------------------------------------------------


def peers(node: Node, tx: Tx) -> Iterator[bytes]:
    """The personas of each relationship, and what the owner calls it."""
    for pair in node.peers.all(tx):
        yield write_object(
            {
                "name": pair.name,
                "own": pair.own,
                "their": pair.their,
                "paired_ms": pair.paired_ms,
                "inception": base64_text(pair.inception.signed.raw),
                "certificate": base64_text(pair.certificate.signed.raw),
            }
        )


def grants(node: Node, tx: Tx) -> Iterator[bytes]:
    """Every grant that was given: the bundle as signed, and what took it back."""
    now_ms, names = node.clock.now_ms(), _names(node, tx)
    for one in node.lending.all(tx):
        revocation = node.store.objects.get(tx, Kind.REVOCATION, one.cid)
        yield write_object(
            {
                "grant": cid_text(one.cid),
                "own": one.own,
                "to": one.their,
                "peer": names.get(one.their, one.their),
                "windows": _windows(one.windows),
                "terms": cid_text(one.bundle.terms.cid),
                "status": one.status(now_ms).value,
                "issued_ms": one.issued_ms,
                "ended_ms": one.ended_ms,
                "exp_s": one.exp_s,
                "request": None if one.request is None else cid_text(one.request),
                "bundle": base64_text(one.bundle.signed.raw),
                "revocation": base64_text(revocation) if isinstance(revocation, bytes) else None,
            }
        )


def held(node: Node, tx: Tx) -> Iterator[bytes]:
    """Every grant by which this node reads of another."""
    now_ms, names = node.clock.now_ms(), _names(node, tx)
    for one in node.borrowing.all(tx):
        yield write_object(
            {
                "grant": cid_text(one.cid),
                "own": one.own,
                "from": one.their,
                "peer": names.get(one.their, one.their),
                "windows": _windows(one.windows),
                "terms": cid_text(one.bundle.terms.cid),
                "status": one.status(now_ms).value,
                "ended_ms": one.ended_ms,
                "bundle": base64_text(one.bundle.signed.raw),
            }
        )


def requests(node: Node, tx: Tx) -> Iterator[bytes]:
    """What others asked, and what was asked of others, with what became of it."""
    names = _names(node, tx)
    for way, inbox in (("in", node.inbox), ("out", node.asked)):
        for cid, one in inbox.all(tx):
            request = parse_request(one.raw)
            yield write_object(
                {
                    "request": cid_text(cid),
                    "way": way,
                    "own": one.own,
                    "their": one.their,
                    "peer": names.get(one.their, one.their),
                    "windows": _windows(request.items),
                    "purpose": request.purpose,
                    "terms": cid_text(request.terms.cid),
                    "state": one.state.value,
                    "t_ms": one.t_ms,
                    "grant": None if one.grant is None else cid_text(one.grant),
                    "reason": one.reason,
                    "dag_cbor": base64_text(one.raw),
                }
            )


def terms(node: Node, tx: Tx) -> Iterator[bytes]:
    """Each terms that a request or grant names, once."""
    found: dict[bytes, Terms] = {}
    for given in node.lending.all(tx):
        found[given.bundle.terms.cid] = given.bundle.terms
    for taken in node.borrowing.all(tx):
        found[taken.bundle.terms.cid] = taken.bundle.terms
    for inbox in (node.inbox, node.asked):
        for _, one in inbox.all(tx):
            agreed = parse_request(one.raw).terms
            found[agreed.cid] = agreed
    for cid in sorted(found):
        yield write_object(
            {
                "terms": cid_text(cid),
                "content": found[cid].value(),
                "dag_cbor": base64_text(found[cid].encode()),
            }
        )


def _names(node: Node, tx: Tx) -> Mapping[str, str]:
    return {pair.their: pair.name for pair in node.peers.all(tx)}


def _windows(windows: Sequence[Window]) -> list[object]:
    return [
        {"collection": one.collection, "first": day_text(one.first), "last": day_text(one.last)}
        for one in windows
    ]


# --- what was read --------------------------------------------------------------------------------


def receipts(node: Node, tx: Tx) -> Iterator[bytes]:
    """Every word of the log, as signed, in its order."""
    names = _names(node, tx)
    for one in node.receipts.all(tx):
        row: dict[str, object] = {
            "index": one.index,
            "way": one.way.value,
            "own": one.own,
            "their": one.their,
            "peer": names.get(one.their, one.their),
        }
        word = one.word
        if isinstance(word, Receipt):
            body = word.body
            row |= {
                "kind": "receipt",
                "grant": cid_text(body.dlg),
                "first": day_text(body.first),
                "last": day_text(body.last_day),
                "pages": body.pages,
                "bytes": body.size,
                "two_sided": one.two_sided,
                "t_ms": body.t_ms,
            }
        else:
            row |= {"kind": "answer", "code": word.code.value, "t_ms": word.t_ms}
        yield write_object(
            {
                **row,
                "signed": base64_text(word.signed.raw),
                "certificate": cid_text(one.certificate),
            }
        )


def certificates(node: Node, tx: Tx) -> Iterator[bytes]:
    """The certificates under which the words of the log were signed."""
    for name, raw in node.store.objects.all(tx, Kind.CERTIFICATE):
        if isinstance(name, bytes) and isinstance(raw, bytes):
            yield write_object({"certificate": cid_text(name), "signed": base64_text(raw)})


def cards(node: Node, tx: Tx) -> Iterator[bytes]:
    """The cards of peers, and one's own, as signed."""
    own = node.cards.own(tx)
    if own is not None:
        yield write_object(
            {"did": own.card.did, "name": own.card.name, "signed": base64_text(own.raw)}
        )
    for pair in node.peers.all(tx):
        for shown in node.cards.shown(tx, pair):
            card = shown.signed
            yield write_object(
                {"did": card.card.did, "name": card.card.name, "signed": base64_text(card.raw)}
            )
