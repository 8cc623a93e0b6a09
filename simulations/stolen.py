"""Homes in the wrong hands: what lies in a copy of the files, opened with the keys that were found.

The program opens the files itself.  It knows the formats (`docs/spec.md`) and uses the primitives
of `crypto/` and the codec; of the node's way of reading its store, of `GrantKeys`, `open_page` and
`parse_bundle` it uses nothing: a mistake of theirs must not be repeated here.

    Files      the rows of a database, as they lie on the disk
    Catalogue  its entries, opened with a store key: ids, salts and places of pages
    Given      what an owner's rows say that each reader was given
    Loot       every secret of a reader's home: sets of keys, personas, and any 32 bytes at all
"""

from __future__ import annotations

import base64
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..crypto.aead import decrypt
from ..crypto.canonical import encode
from ..crypto.digest import sha256
from ..crypto.errors import BadCiphertext, CryptoError, EntrenousError
from ..crypto.keys import KEY_BYTES, ReaderSecret
from ..crypto.labels import Signed, Tag, label
from ..crypto.seal import open_sealed
from ..protocol.errors import WireError
from ..protocol.wire import Value, decode

BYTES_MAX = 64 * 1024 * 1024
ITEMS_MAX = 8_000_000
# Numbers of `node.store.objects.Kind`, said again: they stand in files and never change.
PERSONA, GRANT_GIVEN, GRANT_HELD, KEYSET_SENT, KEYSET_HELD = 2, 9, 10, 11, 12
UNDATED = 65_535
DAY_MS = 86_400_000
DAY_OF_1970 = 25_567


class NotUnderstood(EntrenousError):
    """A file is not what this program knows.  An adversary that misreads proves nothing."""


@dataclass(frozen=True, slots=True)
class Files:
    """The tables that matter, as they lie in the file.  `pages` are ciphertexts."""

    pages: tuple[bytes, ...]
    objects: tuple[tuple[int, bytes, bytes], ...]
    catalogue: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, database: Path) -> Files:
        """Read a copy of `database` and of its write-ahead log: a node may be running on it."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "store.db"
            shutil.copyfile(database, copy)
            log = database.with_name(database.name + "-wal")
            if log.exists():
                shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
            connection = sqlite3.connect(copy)
            try:
                rows = connection.execute
                return cls(
                    tuple(ct for (ct,) in rows("SELECT ct FROM page")),
                    tuple(rows("SELECT kind, tag, sealed FROM object ORDER BY rowid")),
                    tuple(rows("SELECT tag, sealed FROM catalogue ORDER BY id")),
                )
            finally:
                connection.close()


def open_row(store_key: bytes, place: str, tag: bytes, sealed: bytes) -> Value:
    """A row of a store.  Raises BadCiphertext under another key."""
    aad = encode([label(Tag.AT_REST), encode([place, tag])])
    return decode(
        decrypt(store_key, sealed, aad, "this row"), bytes_max=BYTES_MAX, items_max=ITEMS_MAX
    )


# --- entries --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one page.  `lent`: it is somebody else's, fetched under a grant."""

    page_id: bytes
    page_salt: bytes
    path: str
    day: int
    epoch: bytes
    gen: bytes
    digest: bytes
    lent: bool
    key_message: bytes
    associated: bytes

    @classmethod
    def of(cls, raw: bytes, *, lent: bool) -> Entry:
        match decode(raw):
            case [
                bytes(page_id), bytes(salt), str(path), int(day), bytes(epoch), bytes(gen),
                int(count), int(), bytes(digest), statement, str(schema), str(), int(codec),
                int(plain_len),
            ]:  # fmt: skip
                place: list[Value] = [page_id, epoch, path, gen, day, schema, statement]
                return cls(
                    page_id,
                    salt,
                    path,
                    day,
                    epoch,
                    gen,
                    digest,
                    lent,
                    encode([label(Tag.PAGE), page_id, salt]),
                    encode([label(Tag.PAGE), *place, count, codec, plain_len]),
                )
            case _:
                raise NotUnderstood("an entry has not its fourteen elements")


def entries_of(files: Files, store_key: bytes) -> list[Entry]:
    """Every entry of a catalogue, opened.  Raises NotUnderstood, BadCiphertext."""
    found: list[Entry] = []
    for tag, sealed in files.catalogue:
        rows = open_row(store_key, "catalogue", tag, sealed)
        for row in rows if isinstance(rows, list) else [None]:
            match row:
                # At the end, of a page that was encrypted again, which page it came of.
                case [
                    int(), int(), int(segment), int(), int(), _, bytes(), bytes(), bytes(raw), *_
                ]:  # fmt: skip
                    found.append(Entry.of(raw, lent=segment < 0))
                case _:
                    raise NotUnderstood("a row of a catalogue has not its elements")
    return found


def objects_of(files: Files, store_key: bytes) -> Iterator[tuple[int, Value, Value]]:
    """(kind, name, value) of every object, opened."""
    for kind, tag, sealed in files.objects:
        match open_row(store_key, f"object/{kind}", tag, sealed):
            case [name, value]:
                yield kind, name, value
            case _:
                raise NotUnderstood("an object is not a name and a value")


# --- grants, from their bytes ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """What a delegation's bytes say: days `first … last` of each path, none after that of `exp`."""

    iss: str
    aud: str
    terms: str
    windows: tuple[tuple[str, int, int], ...]

    def covers(self, path: str, day: int) -> bool:
        return any(path == p and first <= day <= last for p, first, last in self.windows)

    @classmethod
    def of(cls, dlg: bytes) -> Terms:
        match decode(dlg):
            case [bytes(), {"h": bytes(), "ucan/dlg@1.0.0": dict(claims)}]:
                return cls._of(cast("Mapping[str, Value]", claims))
            case _:
                raise NotUnderstood("this is not a delegation of UCAN 1.0.0")

    @classmethod
    def _of(cls, claims: Mapping[str, Value]) -> Terms:
        match claims["iss"], claims["aud"], claims["cmd"], claims["exp"], claims["pol"]:
            case (
                str(iss),
                str(aud),
                "/record/read",
                int(exp),
                [
                    ["==", ".purpose", str()],
                    ["==", ".terms", str(terms)],
                    ["or", list(clauses)],
                    *rest,
                ],
            ):
                # Keys of what was lent on are sealed under the terms of who lent it on.
                match rest:
                    case []:
                        own = terms
                    case [["==", ".under[0]", str(under)]]:
                        own = under
                    case _:
                        raise NotUnderstood("a grant that was lent on is lent on once, no more")
                return cls(iss, aud, own, tuple(_window(clause, exp) for clause in clauses))
            case _:
                raise NotUnderstood("this is not the delegation of a grant")


def _window(clause: Value, exp_s: int) -> tuple[str, int, int]:
    match clause:
        case [
            "and",
            [["==", ".collection", str(path)], [">=", ".from", int(a)], ["<=", ".to", int(b)]],
        ]:
            return path, a, b if a == UNDATED else min(b, exp_s * 1000 // DAY_MS + DAY_OF_1970)
        case _:
            raise NotUnderstood("a clause of a grant is not one collection, from and to")


def _bundle(raw: Value) -> tuple[bytes, bytes]:
    """(delegation, reader key) of a bundle."""
    if isinstance(raw, bytes):
        match decode(raw):
            case [str(name), {"dlg": bytes(dlg), "reader_key": bytes(key)}, bytes()] if (
                name == label(Signed.BUNDLE)
            ):
                return dlg, key
            case _:
                pass
    raise NotUnderstood("this is not a bundle")


@dataclass(frozen=True, slots=True)
class Given:
    """One grant in its owner's rows.  `opens`: what the keysets that its reader got were made for,
    each a (path, epoch, generation)."""

    terms: Terms
    opens: frozenset[tuple[str, bytes, bytes]]

    def opens_entry(self, entry: Entry) -> bool:
        name = (entry.path, entry.epoch, entry.gen)
        return name in self.opens and self.terms.covers(entry.path, entry.day)


def given_by(files: Files, store_key: bytes, got: Iterable[tuple[bytes, int]] = ()) -> list[Given]:
    """Every grant that an owner's rows know, ended ones too.

    A keyset counts if its reader acknowledged it, or is seen to have it (`got`: grant and number):
    the one that answers an acceptance is acknowledged by the first read only.
    """
    rows = list(objects_of(files, store_key))
    sent: dict[bytes, set[tuple[str, bytes, bytes]]] = {}
    wanted = set(got)
    for kind, name, value in rows:
        if kind == KEYSET_SENT:
            match name, value:
                case [bytes(cid), int(n)], list(names):
                    if (cid, n) in wanted:
                        sent.setdefault(cid, set()).update(_opened(one) for one in names)
                case _:
                    raise NotUnderstood("a keyset sent has not the form that this program knows")
    found: list[Given] = []
    for kind, name, value in rows:
        if kind == GRANT_GIVEN:
            match name, value:
                case bytes(cid), {"bundle": bundle, "opens": list(opens)}:
                    acknowledged = {_opened(one) for one in opens}
                    opened = frozenset(acknowledged | sent.get(cid, set()))
                    found.append(Given(Terms.of(_bundle(bundle)[0]), opened))
                case _:
                    raise NotUnderstood("a grant given has not the form that this program knows")
    return found


def _opened(name: Value) -> tuple[str, bytes, bytes]:
    match name:
        case [str(path), bytes(epoch), bytes(gen)]:
            return path, epoch, gen
        case _:
            raise NotUnderstood("a keyset's name is not path, epoch, generation")


# --- what a reader has ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a tree of days, as it stood in a keyset."""

    depth: int
    prefix: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Loot:
    """Everything of a reader's home that might be, or lead to, a key.

    `nodes` are those of every set of every keyset, each `(grant, n)` of `keysets`; `secrets` every
    string of 32 bytes anywhere in its rows and its keystore; `entries` what it knows of the pages
    that it fetched.
    """

    personas: frozenset[str]
    keysets: frozenset[tuple[bytes, int]]
    nodes: frozenset[Node]
    secrets: frozenset[bytes]
    entries: tuple[Entry, ...]
    ciphertexts: tuple[bytes, ...]

    @classmethod
    def of(cls, files: Files, keystore: Mapping[str, Value]) -> Loot:
        store_key = store_key_of(keystore)
        rows = list(objects_of(files, store_key))
        readers: list[ReaderSecret] = []
        personas: set[str] = set()
        for kind, name, value in rows:
            if kind == PERSONA and isinstance(value, dict) and isinstance(name, str):
                personas.add(name)
                seeds = value["readers"]
                assert isinstance(seeds, list)
                readers += [ReaderSecret(seed) for seed in seeds if isinstance(seed, bytes)]
        keysets = dict(_keysets(rows, readers))
        insides = list(keysets.values())
        entries = entries_of(files, store_key)
        secrets = set(_strings([keystore, *insides, *(value for _, _, value in rows)]))
        secrets |= {entry.page_salt for entry in entries}
        return cls(
            frozenset(personas),
            frozenset(keysets),
            frozenset(node for inside in insides for node in _nodes(inside)),
            frozenset(secrets),
            tuple(entries),
            files.pages,
        )


def store_key_of(keystore: Mapping[str, Value]) -> bytes:
    key = keystore.get("store")
    if not isinstance(key, bytes) or len(key) != KEY_BYTES:
        raise NotUnderstood("a keystore holds no store key")
    return key


def _keysets(
    rows: Iterable[tuple[int, Value, Value]], readers: Iterable[ReaderSecret]
) -> Iterator[tuple[tuple[bytes, int], Value]]:
    """The inside of every keyset held, by whichever grant and reader key opens it."""
    held: list[tuple[Terms, bytes, bytes]] = []
    sealed: list[tuple[bytes, int, bytes]] = []
    for kind, _, value in rows:
        if kind == GRANT_HELD and isinstance(value, dict):
            dlg, key = _bundle(value["bundle"])
            held.append((Terms.of(dlg), key, dlg))
        elif kind == KEYSET_HELD and isinstance(value, bytes):
            match decode(value):
                case [str(), {"dlg": bytes(cid), "n": int(n), "sealed": bytes(inside)}, bytes()]:
                    sealed.append((cid, n, inside))
                case _:
                    raise NotUnderstood("a keyset is not what this program knows")
    secrets = list(readers)
    for cid, n, inside in sealed:
        found = False
        for terms, key, dlg in held:
            if sha256(dlg) != cid[4:]:  # a CID of 36 bytes ends with the digest
                continue
            named = _from_base32(terms.terms)
            info = encode([label(Tag.KEYS), cid, named, terms.iss, terms.aud, key, n])
            for secret in secrets:
                try:
                    opened = open_sealed(secret, info, inside)
                except CryptoError:
                    continue
                yield (cid, n), decode(opened, bytes_max=BYTES_MAX)
                found = True
        if not found:
            raise NotUnderstood("a keyset that a reader holds does not open with its own keys")


def _from_base32(text: str) -> bytes:
    body = text[1:].upper()
    return base64.b32decode(body + "=" * (-len(body) % 8))


def _nodes(inside: Value) -> Iterator[Node]:
    match inside:
        case {"k_grant": bytes(), "sets": list(sets)}:
            for one in sets:
                match one:
                    case {"path": str(), "e": bytes(), "gen": bytes(), "nodes": list(nodes)}:
                        yield from (_node(node) for node in nodes)
                    case _:
                        raise NotUnderstood("a set of keys is not path, epoch, generation, nodes")
        case _:
            raise NotUnderstood("the inside of a keyset is not what this program knows")


def _node(node: Value) -> Node:
    match node:
        case [int(depth), int(prefix), bytes(key)]:
            return Node(depth, prefix, key)
        case _:
            raise NotUnderstood("a node is not depth, prefix, key")


def _strings(value: Value) -> Iterator[bytes]:
    """Every string of 32 bytes in a value, also inside strings that are values themselves."""
    if isinstance(value, bytes):
        if len(value) == KEY_BYTES:
            yield value
        elif len(value) > KEY_BYTES:
            try:
                inside = decode(value, bytes_max=BYTES_MAX, items_max=ITEMS_MAX)
            except WireError:
                return
            yield from _strings(inside)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)


def rows_opened(files: Files, secrets: Iterable[bytes]) -> int:
    """How many rows of a store open with any of `secrets` as its key."""
    opened = 0
    for place, tag, sealed in [
        *((f"object/{kind}", tag, sealed) for kind, tag, sealed in files.objects),
        *(("catalogue", tag, sealed) for tag, sealed in files.catalogue),
    ]:
        for secret in secrets:
            try:
                open_row(secret, place, tag, sealed)
            except BadCiphertext:
                continue
            opened += 1
            break
    return opened
