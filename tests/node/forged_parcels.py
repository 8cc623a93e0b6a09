"""Parcels made by hand, with whatever in them: what a node would never write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.crypto.stream import encrypt_stream
from entrenous.node.peers.peers import Pair
from entrenous.node.store.database import Tx
from entrenous.protocol.command import Cmd, RequestArgs
from entrenous.protocol.counter import CounterWindow, counter_meta
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.invocation import issue_invocation
from entrenous.protocol.limits import PARCEL_LIFE_S_MAX
from entrenous.protocol.parcel import MAGIC, Packing, seal_envelope
from entrenous.protocol.parcel_head import (
    ParcelCall,
    ParcelHead,
    ParcelOffer,
    ParcelSignature,
    ParcelWord,
    make_head,
)
from entrenous.protocol.persona import Certificate, make_certificate
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, request_of

ENTROPY = SeededEntropy(b"forged parcels")


@dataclass
class Forger:
    """Signs as `sender`, for `to`, what the test makes it sign."""

    pair: Pair
    persona: PersonaKey
    device: DeviceKey
    certificate: Certificate
    now_ms: int
    n: int = 1
    requests: int = field(default=0)

    @classmethod
    async def of(cls, sender: Party, to: Party) -> Forger:
        pair = await sender.peer(to.name)
        own = await sender.read(lambda tx: sender.node.peers.persona(tx, pair.own))
        device = sender.node.keystore.device
        return cls(pair, own.key, device, own.certificate, sender.now_ms)

    def invocation(
        self, args: dict[str, Value], *, n: int | None, cmd: str = Cmd.REQUEST, life_s: int = 3600
    ) -> bytes:
        return issue_invocation(
            self.persona,
            sub=did_of(self.persona.public),
            cmd=cmd,
            args=args,
            prf=(),
            exp=self.now_ms // 1000 + life_s,
            nonce=ENTROPY.random_bytes(16),
            aud=self.pair.certificate.device,
            meta=None if n is None else counter_meta(n),
        ).raw

    def request(self, *, n: int | None = -1, life_s: int = 3600) -> ParcelCall:
        """A call that asks for one more day than the one before it."""
        self.requests += 1
        window = Window(CURVE, DAY, DAY + self.requests)
        args = RequestArgs(self.pair.their, request_of(self.pair, [window], self.now_ms))
        number = self.n if n == -1 else n
        return ParcelCall(self.invocation(args.value(), n=number, life_s=life_s), (), ())

    def head(
        self,
        calls: Sequence[ParcelCall] = (),
        words: Sequence[ParcelWord] = (),
        *,
        aud: Did | None = None,
        to: Did | None = None,
        made_ms: int | None = None,
        life_s: int = PARCEL_LIFE_S_MAX,
        last: bytes | None = None,
        certificate: Certificate | None = None,
        key: DeviceKey | None = None,
        offers: Sequence[ParcelOffer] = (),
        signatures: Sequence[ParcelSignature] = (),
    ) -> ParcelHead:
        made_ms = self.now_ms if made_ms is None else made_ms
        return make_head(
            key or self.device,
            to=to or self.pair.their,
            aud=aud or self.pair.certificate.device,
            n=self.n,
            made_ms=made_ms,
            exp_s=made_ms // 1000 + life_s,
            certificate=certificate or self.certificate,
            last=last,
            seen=CounterWindow(),
            calls=calls,
            words=words,
            offers=offers,
            signatures=signatures,
        )

    def certify(self, device: DeviceKey) -> Certificate:
        return make_certificate(
            self.persona,
            device=device,
            cmds=("/",),
            exp_s=self.now_ms // 1000 + 86_400,
            now_ms=self.now_ms,
        )

    def seal(
        self,
        head: ParcelHead,
        parts: Sequence[bytes] = (),
        *,
        sender: Did | None = None,
        magic: bytes = MAGIC,
    ) -> bytes:
        envelope, key = seal_envelope(
            sender=sender or head.sender,
            to=self.pair.their,
            reader_key=self.pair.inception.reader_key,
            entropy=ENTROPY,
        )
        packing = Packing(head, key, entropy=ENTROPY)
        body = packing.start() + b"".join(map(packing.part, parts)) + packing.end()
        return magic + envelope + body

    def seal_raw(self, content: bytes) -> bytes:
        """A parcel whose stream holds these bytes."""
        envelope, key = seal_envelope(
            sender=self.pair.own,
            to=self.pair.their,
            reader_key=self.pair.inception.reader_key,
            entropy=ENTROPY,
        )
        return MAGIC + envelope + b"".join(encrypt_stream(key, [content], entropy=ENTROPY))

    def write(self, target: Path, head: ParcelHead, parts: Sequence[bytes] = ()) -> Path:
        target.write_bytes(self.seal(head, parts))
        return target


async def everything(party: Party) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of a node."""

    def look(tx: Tx) -> dict[str, list[tuple[object, ...]]]:
        names = tx.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return {name: sorted(tx.execute(f'SELECT * FROM "{name}"'), key=repr) for (name,) in names}

    return await party.read(look)
