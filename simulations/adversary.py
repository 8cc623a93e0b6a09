"""An adversary with the files and the time: tries every key on every page.

    python -m entrenous.simulations.adversary --owner HOME --owner-passphrase-fd 3 \\
        --reader HOME --reader-passphrase-fd 4

It is given an owner's database with its catalogue opened (so it knows each page's id, salt and
place, which no reader does) and the whole homes of one or more readers, who pool what they hold.
Every node of every set of keys is walked to every day below it; every day key is tried on every
page, of whatever path, day, epoch, generation or grant.  Every other string of 32 bytes in the
readers' homes is tried in every role: page key, day key, node at each of the sixteen heights,
collection key, vault secret.  A page is **opened** when its authenticated decryption succeeds.

It is **granted** when the owner's rows hold a grant to one of these readers whose days have it,
and the keysets that the reader got for that grant were made for its (path, epoch, generation).
The two sets must be equal.

With `--sealed` it has the owner's database file and no key of the owner.  It tries every key and
every id and salt that the readers know on every ciphertext, and each secret on each row.  It must
open nothing that these readers have not fetched, and no row at all.

Exit code 0 if it is so, 1 if not, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ..crypto.aead import decrypt
from ..crypto.digest import blake2b256, kdf, sha256
from ..crypto.errors import BadCiphertext, EntrenousError
from ..crypto.labels import Derive, Tag, label
from ..crypto.unlock import KeyFileSecret, open_with_key_file, open_with_passphrase
from ..protocol.wire import Value, decode
from .stolen import (
    Entry,
    Files,
    Given,
    Loot,
    Node,
    NotUnderstood,
    entries_of,
    given_by,
    rows_opened,
    store_key_of,
)

DEPTH = 16
_STEP = tuple(label(Tag.DAY_STEP).encode() + bytes([bit]) for bit in (0, 1))


@dataclass(frozen=True, slots=True)
class Findings:
    """Pages by the SHA-256 of their ciphertexts.  `expected`: granted, or fetched when sealed.

    What was fetched is not always open: days after the one on which a grant ends are served, and
    no key for them was ever given.
    """

    sealed: bool
    pages: Mapping[bytes, Entry | None]
    expected: frozenset[bytes]
    opened: frozenset[bytes]
    rows_opened: int
    day_keys: int
    secrets: int
    tries: int
    seconds: float

    @property
    def surplus(self) -> frozenset[bytes]:
        """Opened and not granted: a broken promise."""
        return self.opened - self.expected

    @property
    def missing(self) -> frozenset[bytes]:
        """Granted and not opened: a broken promise to the reader."""
        return frozenset() if self.sealed else self.expected - self.opened

    @property
    def kept(self) -> bool:
        return not (self.surplus or self.missing or self.rows_opened)


class Tries:
    """Tries keys on ciphertexts and counts."""

    def __init__(self) -> None:
        self.count = 0

    def page_key(self, key: bytes, entry: Entry, ciphertext: bytes) -> bool:
        self.count += 1
        try:
            decrypt(key, ciphertext, entry.associated, "this page")
        except BadCiphertext:
            return False
        return True

    def day_key(self, key: bytes, entry: Entry, ciphertext: bytes) -> bool:
        return self.page_key(blake2b256(entry.key_message, key=key), entry, ciphertext)


def days_below(node: Node) -> Iterator[bytes]:
    """The key of every day below a node, by every path down."""
    level = [node.key]
    for _ in range(DEPTH - node.depth):
        level = [blake2b256(step, key=key) for key in level for step in _STEP]
    yield from level


def attack(
    owner: Files,
    owner_keystore: Mapping[str, Value],
    readers: Sequence[Loot],
    *,
    every_role: bool = True,
) -> Findings:
    """The owner's catalogue opened, against all that `readers` hold together.

    Without `every_role`, only keys from sets of keys are tried: twenty times as fast.
    """
    store_key = store_key_of(owner_keystore)
    begin = time.monotonic()
    pages = _pages(owner.pages, (e for e in entries_of(owner, store_key) if not e.lent))
    personas = frozenset(did for reader in readers for did in reader.personas)
    got = [name for reader in readers for name in reader.keysets]
    given = [one for one in given_by(owner, store_key, got) if one.terms.aud in personas]
    days = frozenset(key for reader in readers for node in reader.nodes for key in days_below(node))
    secrets = frozenset(secret for reader in readers for secret in reader.secrets)
    tries = Tries()
    opened = {
        digest
        for digest, (entry, ciphertext) in pages.items()
        # No early end: a second key that opens a page changes nothing, but it is tried.
        if sum(tries.day_key(key, entry, ciphertext) for key in days)
    }
    if every_role:
        opened.update(_by_any_secret(pages, secrets, tries))
    return Findings(
        sealed=False,
        pages={digest: entry for digest, (entry, _) in pages.items()},
        expected=_granted(pages, given),
        opened=frozenset(opened),
        rows_opened=0,
        day_keys=len(days),
        secrets=len(secrets),
        tries=tries.count,
        seconds=time.monotonic() - begin,
    )


def attack_sealed(owner: Files, readers: Sequence[Loot]) -> Findings:
    """The owner's database file and no key of it, against all that `readers` hold together."""
    begin = time.monotonic()
    entries = {e.page_id: e for reader in readers for e in reader.entries if e.lent}
    days = frozenset(key for reader in readers for node in reader.nodes for key in days_below(node))
    secrets = frozenset(secret for reader in readers for secret in reader.secrets)
    ciphertexts = {sha256(ciphertext): ciphertext for ciphertext in owner.pages}
    tries = Tries()
    opened: dict[bytes, Entry] = {}
    for entry in entries.values():
        keys = [blake2b256(entry.key_message, key=key) for key in days]
        for digest, ciphertext in ciphertexts.items():
            if sum(tries.page_key(key, entry, ciphertext) for key in keys):
                opened[digest] = entry
    return Findings(
        sealed=True,
        pages={digest: opened.get(digest) for digest in ciphertexts},
        expected=frozenset(e.digest for e in entries.values() if e.digest in ciphertexts),
        opened=frozenset(opened),
        rows_opened=rows_opened(owner, secrets),
        day_keys=len(days),
        secrets=len(secrets),
        tries=tries.count,
        seconds=time.monotonic() - begin,
    )


_Pages = Mapping[bytes, tuple[Entry, bytes]]


def _pages(ciphertexts: Iterable[bytes], entries: Iterable[Entry]) -> _Pages:
    """Each page with its entry, joined by digest.  Raises NotUnderstood if one has none."""
    known = {entry.digest: entry for entry in entries}
    found = {sha256(ciphertext): ciphertext for ciphertext in ciphertexts}
    if known.keys() - found.keys():
        raise NotUnderstood("the catalogue names pages that the database does not hold")
    # Pages without an entry are what the owner fetched from others, or nobody's: not this owner's.
    return {digest: (entry, found[digest]) for digest, entry in known.items()}


def _granted(pages: _Pages, given: Sequence[Given]) -> frozenset[bytes]:
    return frozenset(
        digest
        for digest, (entry, _) in pages.items()
        if any(one.opens_entry(entry) for one in given)
    )


def _by_any_secret(pages: _Pages, secrets: Iterable[bytes], tries: Tries) -> Iterator[bytes]:
    """The pages that some secret opens in a role that is not its own."""
    secrets = tuple(secrets)
    places: defaultdict[tuple[str, int, bytes, bytes], list[bytes]] = defaultdict(list)
    for digest, (entry, _) in pages.items():
        places[entry.path, entry.day, entry.epoch, entry.gen].append(digest)
    for (path, day, _, gen), digests in places.items():
        days = [key for secret in secrets for key in _day_keys(secret, path, day, gen)]
        for digest in digests:
            entry, ciphertext = pages[digest]
            hits = sum(tries.day_key(key, entry, ciphertext) for key in days)
            hits += sum(tries.page_key(secret, entry, ciphertext) for secret in secrets)
            if hits:
                yield digest


def _day_keys(secret: bytes, path: str, day: int, gen: bytes) -> Iterator[bytes]:
    """What `secret` would lead to on this day as vault secret, collection key, node or day key."""
    collection = kdf(secret, Derive.COLLECTION, path, gen)
    for root in (kdf(collection, Derive.DAYS), kdf(secret, Derive.DAYS)):
        yield _walk(root, 0, day)
    for depth in range(DEPTH + 1):
        yield _walk(secret, depth, day)


def _walk(key: bytes, depth: int, day: int) -> bytes:
    """From a node at `depth` above `day` down to it."""
    for below in range(DEPTH - depth - 1, -1, -1):
        key = blake2b256(_STEP[day >> below & 1], key=key)
    return key


# --- the program ----------------------------------------------------------------------------------


def runs(pages: Mapping[bytes, Entry | None], some: Iterable[bytes]) -> list[str]:
    """Pages in words: runs of days of one path and generation."""
    known: Counter[tuple[str, bytes, int]] = Counter()
    for digest in some:
        entry = pages[digest]
        if entry is not None:
            known[entry.path, entry.gen, entry.day] += 1
    lines: list[str] = []
    numbered = enumerate(sorted(known))
    for (path, gen, _), run in groupby(numbered, lambda n: (n[1][0], n[1][1], n[1][2] - n[0])):
        places = [place for _, place in run]
        count = sum(known[place] for place in places)
        span = f"days {places[0][2]} to {places[-1][2]}"
        lines.append(f"{path}, generation {gen.hex()[:8]}, {span}: {count} pages")
    return lines


def keystore_of(home: Path, fd: int | None, key_file: Path | None) -> Mapping[str, Value]:
    """Open the keystore of `home` under a passphrase read from `fd`, or a key file."""
    sealed = (home / "keystore").read_bytes()
    if key_file is not None:
        opened = open_with_key_file(KeyFileSecret(key_file.read_bytes()), sealed)
    else:
        assert fd is not None
        with os.fdopen(fd, "rb") as given:
            opened = open_with_passphrase(given.readline().rstrip(b"\r\n"), sealed)
    match decode(opened, bytes_max=1 << 20):
        case dict(keystore):
            return keystore
        case _:
            raise NotUnderstood("a keystore opened and is not a map")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m entrenous.simulations.adversary",
        description="Try every key of the readers on every page of the owner.",
    )
    parser.add_argument("--owner", type=Path, required=True, metavar="HOME")
    parser.add_argument("--owner-passphrase-fd", type=int, metavar="N")
    parser.add_argument("--owner-key-file", type=Path, metavar="FILE")
    parser.add_argument("--reader", type=Path, action="append", required=True, metavar="HOME")
    parser.add_argument("--reader-passphrase-fd", type=int, action="append", metavar="N")
    parser.add_argument("--reader-key-file", type=Path, action="append", metavar="FILE")
    parser.add_argument("--sealed", action="store_true", help="without any key of the owner")
    parser.add_argument("--json", action="store_true", help="one object")
    given = parser.parse_args(argv)
    fds: list[int] = given.reader_passphrase_fd or []
    files: list[Path] = given.reader_key_file or []
    if len(fds or files) != len(given.reader) or (fds and files):
        parser.error(
            "each --reader needs its --reader-passphrase-fd, or each its --reader-key-file"
        )
    if not given.sealed and given.owner_passphrase_fd is None and given.owner_key_file is None:
        parser.error("the catalogue opens with --owner-passphrase-fd or --owner-key-file")
    return given


def run(given: argparse.Namespace) -> Findings:
    """What the arguments ask for.  Raises EntrenousError, OSError."""
    homes: list[Path] = given.reader
    fds: list[int | None] = given.reader_passphrase_fd or [None] * len(homes)
    files: list[Path | None] = given.reader_key_file or [None] * len(homes)
    readers = [
        Loot.of(Files.of(home / "store.db"), keystore_of(home, fd, file))
        for home, fd, file in zip(homes, fds, files, strict=True)
    ]
    home: Path = given.owner
    owner = Files.of(home / "store.db")
    if given.sealed:
        return attack_sealed(owner, readers)
    keystore = keystore_of(home, given.owner_passphrase_fd, given.owner_key_file)
    return attack(owner, keystore, readers)


def tell(findings: Findings) -> Iterator[str]:
    """The findings in sentences."""
    right = "fetched" if findings.sealed else "granted"
    yield (
        f"{len(findings.pages)} pages; {findings.day_keys} day keys and {findings.secrets} other "
        f"secrets, {findings.tries} tries in {findings.seconds:.1f} s"
    )
    yield f"opened {len(findings.opened)}, {right} {len(findings.expected)}"
    yield from (f"  {line}" for line in runs(findings.pages, findings.opened))
    for word, some in (("OPENED, NOT", findings.surplus), ("NOT OPENED, BUT", findings.missing)):
        if some:
            yield f"{word} {right}: {len(some)}"
            yield from (f"  {line}" for line in runs(findings.pages, some))
    if findings.rows_opened:
        yield f"ROWS OPENED WITHOUT THE OWNER'S KEYS: {findings.rows_opened}"
    if findings.kept and findings.sealed:
        yield "nothing opened that was not fetched"
    elif findings.kept:
        yield "the set opened is the set granted"


def main(argv: Sequence[str] | None = None) -> int:
    given = _arguments(argv)
    try:
        findings = run(given)
    except (EntrenousError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    if given.json:
        told = {
            "pages": len(findings.pages),
            "opened": sorted(digest.hex() for digest in findings.opened),
            "expected": sorted(digest.hex() for digest in findings.expected),
            "rows_opened": findings.rows_opened,
            "day_keys": findings.day_keys,
            "secrets": findings.secrets,
            "tries": findings.tries,
            "ok": findings.kept,
        }
        print(json.dumps(told, sort_keys=True))
    else:
        print("\n".join(tell(findings)))
    return 0 if findings.kept else 1


if __name__ == "__main__":
    sys.exit(main())
