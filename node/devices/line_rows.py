"""Lines of personas, as two devices compare them: who this person and each peer has been.

    family            the secret of own devices: the one that was replaced more often
    personas-left     what was followed; all that any device knows
    personas          of a line the last, where every step to it was promised by the one before
    inceptions-left   how peers that were followed had introduced themselves
    steps-said        our line towards a peer: the longer; what the peer has heard of it
    steps-heard       a peer's line: the longer

Who leaves a device behind needs the recovery words, and no device has them: a promise is the digest
of a key that only the words make.  So a device that is in other hands can bring any row but the
next persona of a line, and it is refused where it tries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ...crypto.digest import equal, sha256
from ...crypto.keys import KEY_BYTES
from ...protocol.did import Did, public_of
from ...protocol.errors import CapabilityError, Code, WireError
from ...protocol.persona import parse_inception
from ...protocol.wire import Body, Value
from ..peers.lines import PersonaLines, Said, Taken, taken_from_value
from ..peers.pair import LINE_MAX, OwnPersona
from ..peers.peers import Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from . import joins
from .own_devices import OwnDevices
from .row_spaces import Rows, RowSpace, as_kept, plain
from .space import Space, Taking, WholeSpace, row_id

_NUMBER_MAX: Final = 4_096
Heard = tuple[Taken, ...]


def line_spaces(objects: Objects, peers: Peers, lines: PersonaLines) -> Iterable[Space]:
    """What follows pairs, in the order in which it is fetched."""
    yield RowSpace("inceptions-left", Kind.INCEPTION_LEFT, objects, plain(_inception, joins.lesser))
    shared = _not_own(peers)
    yield RowSpace(
        "steps-said", Kind.STEPS_SAID, objects, replace(_said(objects, peers, lines), shared=shared)
    )
    heard: Rows[Heard] = Rows(_heard, _heard_value, longer)
    yield RowSpace("steps-heard", Kind.STEPS_HEARD, objects, heard)


@dataclass(frozen=True, slots=True)
class FamilySpace(WholeSpace):
    """The secret that own devices share: one row."""

    devices: OwnDevices
    name: str = "family"
    sets: tuple[Value, ...] = (Kind.SETTING.value,)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        number, secret = self.devices.family_row(tx)
        row: Value = [number, secret]
        return {row_id(self.name, None, row): row}

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        changed = 0
        for row in rows:
            body = Body.of_list(row, "the secret of own devices", ("number", "secret"))
            number = body.integer("number", high=_NUMBER_MAX)
            secret = body.data("secret", length=KEY_BYTES)
            if (number, secret) > self.devices.family_row(tx):
                self.devices.take_family(tx, number, secret)
                changed += 1
        return changed


def check_promised(objects: Objects, tx: Tx, before: OwnPersona, after: OwnPersona) -> None:
    """Accept that `after` follows `before` in its line: each step to it was promised.

    Raises CapabilityError.
    """
    left = [OwnPersona.from_value(value) for _, value in objects.all(tx, Kind.PERSONA_LEFT)]
    known = {sha256(public_of(one.did)): one for one in (*left, after)}
    present = before
    for _ in range(LINE_MAX):
        if equal(present.did.encode(), after.did.encode()):
            return
        following = known.get(present.inception.next_digest)
        if following is None:
            break
        present = following
    raise CapabilityError("a device brings a persona that was never promised", Code.AUDIENCE)


def said(one: Said, other: Said) -> Said:
    """Our line towards a peer: the longer, and who the peer knows us as, as far along as it was
    seen."""
    first = max(one, other, key=lambda it: (len(it.steps), _steps(it.steps)))
    dids = [taken.step.old for taken in first.steps[:1]]
    dids += [taken.step.new for taken in first.steps]
    places = {did: place for place, did in enumerate(dids)}
    known = max(one.known, other.known, key=lambda did: (places.get(did, -1), did))
    return replace(first, known=known)


def longer(one: Heard, other: Heard) -> Heard:
    """The longer line; of two as long, the greater."""
    return max(one, other, key=lambda it: (len(it), _steps(it)))


def _steps(taken: Heard) -> list[tuple[bytes, int, bytes]]:
    return [
        (it.step.inception.signed.raw, -it.t_ms, it.before.secret_bytes() + it.step.k)
        for it in taken
    ]


def _said(objects: Objects, peers: Peers, lines: PersonaLines) -> Rows[Said]:
    def keep(tx: Tx, name: Value, _before: Said | None, row: Said, taking: Taking) -> None:
        own, their = _pair(name)
        objects.put(tx, Kind.STEPS_SAID, name, row.value())
        pair = peers.find(tx, own, their)
        if pair is not None and lines.owed(tx, pair):
            lines.owe(tx, pair, taking.now_ms)

    def read(name: Value, value: Value) -> Said:
        _pair(name)
        return Said.from_value(value)

    return Rows(read, as_kept, said, keep=keep)


def _not_own(peers: Peers) -> Callable[[Tx, Value, Said], bool]:
    def shared(tx: Tx, name: Value, _row: Said) -> bool:
        return _pair(name)[0] != peers.device_persona(tx)

    return shared


def _heard(name: Value, value: Value) -> Heard:
    _pair(name)
    if not isinstance(value, list) or len(value) > LINE_MAX:
        raise WireError("a line of a peer has not the form of one")
    return tuple(taken_from_value(one) for one in value)


def _heard_value(row: Heard) -> Value:
    return [one.value() for one in row]


def _inception(value: Value) -> Value:
    if not isinstance(value, bytes):
        raise WireError("an inception is a signed word")
    parse_inception(value)
    return value


def _pair(name: Value) -> tuple[Did, Did]:
    match name:
        case [str(own), str(their)]:
            return Did(own), Did(their)
        case _:
            raise WireError("a line is between two personas")
