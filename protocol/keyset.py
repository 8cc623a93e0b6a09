"""Keysets: the keys of a grant on their way, and the keys that a reader holds.

After the reader has signed that it accepts the terms, and again after every rotation, the owner
seals to the reader key the nodes of the tree of days that open the granted days, one set for each
(path, epoch, generation).  Keysets **add up**: a later one never takes away what an earlier one
opens, because what was given cannot be unseen, and pages of several generations live side by side.

The page says under which (path, epoch, generation, day) it is encrypted.  The reader takes the set
with exactly these three names, and the node above that day; where there is none, the answer is "no
key", never a try with another generation's: a key that opened the wrong thing once would be taken
for an authority.

The HPKE info binds grant, terms, both personas, the reader key and `n`, so a keyset cannot be
replanted.  `n` rises with the clock, so an owner restored from an old copy does not repeat one.

Source: formats.md, "Grant" (Keyset), "Where keys come from".
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..crypto.canonical import encode
from ..crypto.entropy import Entropy
from ..crypto.errors import BadKey, BadSignature
from ..crypto.key_tree import (
    GENERATION_BYTES,
    DayKeys,
    NoKey,
    TreeNode,
    collection_key,
    derive_cover,
    tree_root,
)
from ..crypto.keys import (
    KEY_BYTES,
    DayKey,
    GrantKey,
    NodeKey,
    PersonaKey,
    ReaderSecret,
    VaultSecret,
)
from ..crypto.labels import Signed, Tag, label
from ..crypto.seal import open_sealed, seal
from .cid import CID_BYTES, check_cid
from .collection import check_path
from .did import Did, did_of, public_of
from .errors import Code, GrantRefused, LocalProtocolError, WireError
from .limits import KEYSET_BYTES_MAX, KEYSET_NODES_MAX, KEYSET_SETS_MAX
from .signed import SignedObject, parse, sign
from .window import Window, joined, opened_until
from .wire import VERSION, Body, Value, decode

EPOCH_BYTES = 16


@dataclass(frozen=True, slots=True)
class PathKeys:
    """Nodes of one tree: `path` in vault epoch `epoch` (16 bytes) and generation `gen` (16)."""

    path: str
    epoch: bytes
    gen: bytes
    nodes: tuple[TreeNode, ...]

    def value(self) -> Value:
        nodes: list[Value] = [[n.depth, n.prefix, n.key.secret_bytes()] for n in self.nodes]
        return {"path": self.path, "e": self.epoch, "gen": self.gen, "nodes": nodes}


def path_keys(
    vault: VaultSecret,
    *,
    epoch: bytes,
    path: str,
    gen: bytes,
    windows: Iterable[Window],
    exp_s: int,
) -> PathKeys | None:
    """The nodes that open, in one generation of `path`, the days that `windows` give.

    No cover passes the day of the grant's `exp_s`: what is written after it is not opened even by
    a reader who keeps everything.  None if nothing of `path` is left.
    """
    root = tree_root(collection_key(vault, path, gen))
    nodes: list[TreeNode] = []
    for window in joined(opened_until((w for w in windows if w.collection == path), exp_s)):
        nodes.extend(derive_cover(root, window.first, window.last))
    return PathKeys(path, epoch, gen, tuple(nodes)) if nodes else None


@dataclass(frozen=True, slots=True)
class Sealing:
    """Everything that a keyset is bound to, besides its `n`.

    `grant` is the CID of the root delegation, `terms` that of its terms, `reader_key` the X25519
    public key named in the bundle.
    """

    grant: bytes
    terms: bytes
    persona: Did
    aud: Did
    reader_key: bytes

    def info(self, n: int) -> bytes:
        return encode(
            [label(Tag.KEYS), self.grant, self.terms, self.persona, self.aud, self.reader_key, n]
        )


def next_n(previous: int | None, now_ms: int) -> int:
    """The number of the next keyset of a grant: rises by one at least, and with the clock."""
    return now_ms if previous is None else max(previous + 1, now_ms)


@dataclass(frozen=True, slots=True)
class Keyset:
    """A keyset as it travels: sealed, and signed by the owner's persona."""

    grant: bytes
    n: int
    sealed: bytes
    signed: SignedObject


def make_keyset(
    key: PersonaKey,
    sealing: Sealing,
    *,
    n: int,
    k_grant: GrantKey,
    sets: Sequence[PathKeys],
    entropy: Entropy,
) -> Keyset:
    """Seal `sets` to the reader and sign.  Raises LocalProtocolError if they pass a limit."""
    plaintext = encode({"k_grant": k_grant.secret_bytes(), "sets": [s.value() for s in sets]})
    sealed = seal(sealing.reader_key, sealing.info(n), plaintext, entropy=entropy)
    body: dict[str, Value] = {"v": VERSION, "dlg": sealing.grant, "n": n, "sealed": sealed}
    signed = sign(Signed.KEYSET, body, key)
    if len(signed.raw) > KEYSET_BYTES_MAX or len(sets) > KEYSET_SETS_MAX:
        raise LocalProtocolError("a keyset is too large: encrypt old generations again first")
    if did_of(key.public) != sealing.persona:
        raise BadSignature("a keyset is signed by the one who grants, and by nobody else")
    return Keyset(sealing.grant, n, sealed, signed)


def parse_keyset(raw: bytes, persona: Did) -> Keyset:
    """Read a keyset and verify that `persona` signed it.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.KEYSET, bytes_max=KEYSET_BYTES_MAX)
    body = Body.open(signed.body, "a keyset", ("v", "dlg", "n", "sealed"))
    keyset = Keyset(
        check_cid(body.data("dlg", length=CID_BYTES)),
        body.integer("n"),
        body.data("sealed", bytes_max=KEYSET_BYTES_MAX),
        signed,
    )
    signed.verify(public_of(persona))
    return keyset


def grant_of(raw: bytes) -> bytes:
    """Which grant (CID) a keyset says that it is for; nothing is verified.  Raises WireError."""
    signed = parse(raw, Signed.KEYSET, bytes_max=KEYSET_BYTES_MAX)
    body = Body.open(signed.body, "a keyset", ("v", "dlg", "n", "sealed"))
    return check_cid(body.data("dlg", length=CID_BYTES))


def open_keyset(
    keyset: Keyset, sealing: Sealing, secret: ReaderSecret, *, seen: Container[int] = ()
) -> GrantKeys:
    """Open a keyset for the grant that `sealing` names.

    `seen` are the numbers of the keysets already kept for this grant.  Raises GrantRefused
    (unknown-grant; replay for a repeated number), BadCiphertext if it is sealed for another
    reader, number, grant or terms, WireError.
    """
    if keyset.grant != sealing.grant:
        raise GrantRefused("a keyset is for another grant", Code.UNKNOWN_GRANT)
    if keyset.n in seen:
        raise GrantRefused(f"the keyset number {keyset.n} was already received", Code.REPLAY)
    plaintext = open_sealed(secret, sealing.info(keyset.n), keyset.sealed)
    return _grant_keys(decode(plaintext, bytes_max=KEYSET_BYTES_MAX))


class GrantKeys:
    """What a reader holds of one grant: `k_grant` and the nodes of every keyset so far.

    Immutable from outside; the walk down the tree last taken is remembered, so reading a run of
    days costs about two hashes a day.
    """

    __slots__ = ("_days", "_nodes", "k_grant")

    def __init__(self, k_grant: GrantKey, sets: Iterable[PathKeys] = ()) -> None:
        """Gather `sets`; those with the same (path, epoch, generation) add up.

        Raises WireError if two sets give different keys for the same days.
        """
        self.k_grant = k_grant
        gathered: dict[tuple[str, bytes, bytes], list[TreeNode]] = {}
        for found in sets:
            gathered.setdefault((found.path, found.epoch, found.gen), []).extend(found.nodes)
        self._nodes = {name: _sum(nodes) for name, nodes in gathered.items()}
        self._days = {name: DayKeys(nodes) for name, nodes in self._nodes.items()}

    def apart(self) -> GrantKeys:
        """The same keys with walks of their own: two threads do not share one."""
        same = GrantKeys(self.k_grant)
        same._nodes = self._nodes
        same._days = {name: DayKeys(nodes) for name, nodes in self._nodes.items()}
        return same

    @property
    def sets(self) -> tuple[PathKeys, ...]:
        """Everything held, sorted."""
        return tuple(PathKeys(*name, self._nodes[name]) for name in sorted(self._nodes))

    def with_keys(self, later: GrantKeys) -> GrantKeys:
        """The keys of both.  Raises WireError if `later` is of another grant or contradicts."""
        if later.k_grant != self.k_grant:
            raise WireError("two keysets of one grant have different grant keys")
        return GrantKeys(self.k_grant, (*self.sets, *later.sets))

    def day_key(self, path: str, epoch: bytes, gen: bytes, day: int) -> DayKey:
        """The key of one day as its page names it: (path, epoch, generation, day).

        Raises NoKey ("no key") where no set has these names or none of its nodes is above the day.
        """
        days = self._days.get((path, epoch, gen))
        if days is None:
            raise NoKey(f"no key: nothing held opens {path} in this generation")
        return days.key(day)

    def __repr__(self) -> str:
        return f"<GrantKeys {self.k_grant!r}, {len(self._nodes)} sets>"


def _grant_keys(value: Value) -> GrantKeys:
    body = Body.open(value, "the inside of a keyset", ("k_grant", "sets"))
    k_grant = GrantKey(body.data("k_grant", length=KEY_BYTES))
    sets = [_path_keys(item) for item in body.items("sets", items_max=KEYSET_SETS_MAX)]
    if len({(found.path, found.epoch, found.gen) for found in sets}) != len(sets):
        raise WireError("a keyset names one path, epoch and generation twice")
    return GrantKeys(k_grant, sets)


def _path_keys(item: Value) -> PathKeys:
    body = Body.open(item, "a set of keys", ("path", "e", "gen", "nodes"))
    nodes = tuple(
        _node(node) for node in body.items("nodes", items_max=KEYSET_NODES_MAX, items_min=1)
    )
    for before, after in pairwise(nodes):
        if after.first <= before.last:
            raise WireError("a set of keys: its nodes are not ascending and apart")
    return PathKeys(
        check_path(body.text("path")),
        body.data("e", length=EPOCH_BYTES),
        body.data("gen", length=GENERATION_BYTES),
        nodes,
    )


def _node(item: Value) -> TreeNode:
    match item:
        case [int(depth), int(prefix), bytes(key)] if (
            not (isinstance(depth, bool) or isinstance(prefix, bool)) and len(key) == KEY_BYTES
        ):
            try:
                return TreeNode(depth, prefix, NodeKey(key))
            except BadKey as error:
                raise WireError(f"a set of keys: {error}") from error
        case _:
            raise WireError("a set of keys: a node is not [depth, prefix, key]")


def _sum(nodes: Iterable[TreeNode]) -> tuple[TreeNode, ...]:
    """All of `nodes` in one ascending run; of two nested ones the higher stays, it opens both.

    Two keysets that contradict each other on a day are refused: else the second would close days
    that the first opened.
    """
    result: list[TreeNode] = []
    for node in sorted(nodes, key=lambda node: (node.first, node.depth)):
        # Two nodes of a tree are nested or apart, so only the last one kept can hold this one.
        if result and node.first <= result[-1].last:
            day = node.first
            if DayKeys((result[-1],)).key(day) != DayKeys((node,)).key(day):
                raise WireError("two keysets of one grant give different keys for one day")
        else:
            result.append(node)
    return tuple(result)
