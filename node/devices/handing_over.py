"""Handing over: what another device of this person asks of this one, and is told.

It asks which spaces there are, what is in one, and for some of that.  Nothing of this changes the
store, so it is answered again however often it is asked, and is not logged: nothing is lent.  What
is handed over is sealed to the persona by which the other device is known, beside the session's own
encryption: it opens everything, and stays closed to whoever would read it on its way through this
program's memory of frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...crypto.canonical import encode
from ...crypto.digest import tag128
from ...crypto.entropy import Entropy
from ...crypto.labels import Tag
from ...crypto.seal import seal
from ...protocol.command import GetArgs, GetOut, HaveArgs, HaveOut, ListArgs, OwnArgs
from ...protocol.command_device import ID_BYTES
from ...protocol.errors import Code, GrantRefused
from ...protocol.joining import rows_info
from ...protocol.limits import DEVICE_CHUNK_BYTES_MAX, DEVICE_IDS_MAX, DEVICE_SPACES_MAX
from ...protocol.wire import Value
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.stamps import Stamps
from .page_spaces import PageSpaces
from .shared_rows import SharedRows
from .space import Space, digest_of


@dataclass(frozen=True, slots=True)
class _Space:
    """The digest of a space (None: it is empty) as its sets stood at `stamps`."""

    stamps: tuple[int, ...]
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class _Held:
    """What this device has, as of the change `stamp`."""

    stamp: int
    spaces: Mapping[str, _Space]
    digests: tuple[tuple[str, bytes], ...]
    root: bytes


class HandingOver:
    """Answers `/device/have`, `/device/list` and `/device/get`."""

    def __init__(
        self, rows: SharedRows, pages: PageSpaces, stamps: Stamps, entropy: Entropy
    ) -> None:
        self._rows = rows
        self._pages = pages
        self._stamps = stamps
        self._entropy = entropy
        self._last: _Held | None = None

    def named(self, name: str) -> Space:
        """The space of this name.  Raises GrantRefused, WireError, RecordError if there is none."""
        space = self._rows.spaces.get(name) or self._pages.named(name)
        if space is None:
            raise GrantRefused(
                "this device knows no such space: it may be of an older version", Code.MALFORMED
            )
        return space

    def digests(self, tx: Tx) -> list[tuple[str, bytes]]:
        """Every space here, by ascending name, with a digest over what is in it."""
        return list(self._held(tx).digests)

    def root(self, tx: Tx) -> bytes:
        """One digest over everything that devices share: of two that hold the same, the same."""
        return self._held(tx).root

    def _held(self, tx: Tx) -> _Held:
        """What is here; where nothing has changed since it was last looked at, for one lookup."""
        if not self._stamps.watched:
            return self._look(tx, {})
        latest = self._stamps.latest(tx)
        held = self._last
        if held is None or held.stamp != latest:
            held = self._look(tx, {} if held is None else held.spaces)
            # One assignment: the other thread sees the one or the other.
            self._last = replace(held, stamp=latest)
        return held

    def _look(self, tx: Tx, known: Mapping[str, _Space]) -> _Held:
        """What is here, with the digest of each space that has changed reckoned again."""
        spaces: dict[str, _Space] = {}
        for name in sorted([*self._rows.spaces, *self._pages.names(tx)]):
            space = self.named(name)
            stamps = self._stamps.of(tx, space.sets)
            before = known.get(name)
            if before is None or before.stamps != stamps:
                ids = space.ids(tx)
                # One that is empty is none: another device may not know of the collection any more.
                before = _Space(stamps, digest_of(ids) if ids else None)
            spaces[name] = before
        digests = tuple(
            (name, one.digest) for name, one in spaces.items() if one.digest is not None
        )
        root = tag128(b"", Tag.DEVICE_ROWS, [[name, digest] for name, digest in digests])
        return _Held(0, spaces, digests, root)

    def answer(self, tx: Tx, pair: Pair, args: OwnArgs, inv: bytes) -> Value:
        """What the call `inv` of another device is answered.  Raises GrantRefused."""
        match args:
            case HaveArgs() if args.same == self.root(tx):
                return HaveOut((), False).value()
            case HaveArgs():
                found = [one for one in self.digests(tx) if one[0] > args.after]
                more = len(found) > DEVICE_SPACES_MAX
                return HaveOut(tuple(found[:DEVICE_SPACES_MAX]), more).value()
            case ListArgs():
                ids = [one for one in self.named(args.space).ids(tx) if one > args.after]
                return b"".join(ids[:DEVICE_IDS_MAX])
            case GetArgs():
                return self._get(tx, pair, args, inv).value()
            case _:
                raise GrantRefused("this is not said between own devices", Code.COMMAND)

    def _get(self, tx: Tx, pair: Pair, args: GetArgs, inv: bytes) -> GetOut:
        space = self.named(args.space)
        if args.offset:
            return self._piece(tx, pair, space, args, inv)
        rows: list[Value] = []
        size = count = 0
        # One by one: of a month of pages, no more is held than goes out.
        for wanted in args.ids:
            found = space.some(tx, [wanted])
            more = sum(len(encode(row)) for row in found)
            if size + more > DEVICE_CHUNK_BYTES_MAX:
                break
            rows.extend(found)
            size += more
            count += 1
        if not count:
            return self._piece(tx, pair, space, args, inv)
        return GetOut(count, size, self._sealed(pair, encode(rows), inv))

    def _piece(self, tx: Tx, pair: Pair, space: Space, args: GetArgs, inv: bytes) -> GetOut:
        found = space.some(tx, args.ids[:1])
        whole = encode(list(found))
        piece = whole[args.offset : args.offset + DEVICE_CHUNK_BYTES_MAX]
        return GetOut(0, len(whole), self._sealed(pair, piece, inv))

    def _sealed(self, pair: Pair, plain: bytes, inv: bytes) -> bytes:
        info = rows_info(pair.own, pair.their, inv)
        return seal(pair.inception.reader_key, info, plain, entropy=self._entropy)


def lacking(theirs: Sequence[bytes], mine: Sequence[bytes]) -> list[bytes]:
    """The ids that are there and not here."""
    here = set(mine)
    return [one for one in theirs if one not in here and len(one) == ID_BYTES]
