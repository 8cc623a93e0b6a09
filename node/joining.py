"""Joining: a new home becomes another device of a person who has one.

    link ▸ new keys, kept ▸ asks ▸ waiting: six digits ▸ given ▸ store, config ▸ keystore

All keys of a device are its own and made here: the device key, the store's, the blinding key, the
log's two, and the persona by which the others know it.  They are kept, sealed as the home will be,
before anything is said, so a join that is interrupted anywhere goes on with the same link, and the
older device answers the same.  The keystore comes last: a home without one is not a home yet.

What is given are the secrets of the vault; everything else is fetched once the node runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from ..crypto.entropy import Entropy
from ..crypto.errors import EntrenousError
from ..crypto.keys import (
    DeviceKey,
    IndexKey,
    LogKey,
    LogSigningKey,
    PersonaKey,
    ReaderSecret,
    StoreKey,
    VaultSecret,
)
from ..crypto.unlock import (
    open_with_key_file,
    open_with_passphrase,
    seal_with_key_file,
    seal_with_passphrase,
)
from ..protocol.command import Cmd, JoinOut, PairOpenArgs, parse_out
from ..protocol.did import Did, did_of
from ..protocol.errors import Code, WireError
from ..protocol.invocation import issue_invocation
from ..protocol.joining import Given, join_code, open_given, parse_join_link
from ..protocol.limits import INVOCATION_LIFE_S
from ..protocol.pairing import Invite, check_invite, device_did
from ..protocol.persona import Inception, make_certificate, make_inception, parse_inception
from ..protocol.receipt import Answer
from ..protocol.session import Session
from ..protocol.session_event import HelloReceived
from ..protocol.wire import Body, Value, decode, encode
from .checkpoint import UNWATCHED, Checkpoint
from .clock import Clock
from .config import Config, Role
from .devices.own_device import OwnDevice
from .errors import Away, HomeError, Refused, UsageError
from .exchange.exchange import answer_of
from .exchange.link import Demand, Link
from .keystore import Epoch, Keystore
from .network.transport import Network, TransportError
from .node import Ground, Node
from .offline import NoNetwork
from .offload import Offload, ThreadOffload
from .opening import Passphrase, Unlock, sealed_keystore
from .peers.peers import CERTIFICATE_LIFE_S, clean_name
from .steps import JoinStep
from .store.database import Tx
from .store.home import Home, write_atomically
from .store.inline import InlineDatabase

ASK_AGAIN_S = 2.0
DIAL_S = 15.0
ANSWER_S = 30.0
_STATE_BYTES_MAX = 64 * 1024
_STATE = "joining"
_KEYS = (
    "v",
    "link",
    "name",
    "device",
    "store",
    "index",
    "log",
    "log_signing",
    "persona",
    "reader",
    "inception",
    "k",
)
_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class NewDevice:
    """The keys of a device that joins, and the link by which it does."""

    link: str = field(repr=False)
    name: str
    device: DeviceKey
    store: StoreKey
    index: IndexKey
    log: LogKey
    log_signing: LogSigningKey
    persona: PersonaKey
    reader: ReaderSecret
    inception: Inception
    k: bytes = field(repr=False)

    @classmethod
    def create(cls, link: str, name: str, entropy: Entropy) -> NewDevice:
        """Raises WireError, VersionError for what is no link."""
        parse_join_link(link)
        persona, reader = PersonaKey.generate(entropy), ReaderSecret.generate(entropy)
        return cls(
            link=link.strip(),
            name=clean_name(name),
            device=DeviceKey.generate(entropy),
            store=StoreKey.generate(entropy),
            index=IndexKey.generate(entropy),
            log=LogKey.generate(entropy),
            log_signing=LogSigningKey.generate(entropy),
            persona=persona,
            reader=reader,
            inception=make_inception(
                persona, reader_key=reader.public, next_digest=entropy.random_bytes(32)
            ),
            k=entropy.random_bytes(32),
        )

    @property
    def invite(self) -> Invite:
        return parse_join_link(self.link)

    @property
    def code(self) -> str:
        """The digits that the person types on the older device."""
        invite = self.invite
        return join_code(invite.secret, device=invite.device, inception=self.inception.signed.cid)

    def value(self) -> Value:
        return {
            "v": 1,
            "link": self.link,
            "name": self.name,
            "device": self.device.secret_bytes(),
            "store": self.store.secret_bytes(),
            "index": self.index.secret_bytes(),
            "log": self.log.secret_bytes(),
            "log_signing": self.log_signing.secret_bytes(),
            "persona": self.persona.secret_bytes(),
            "reader": self.reader.secret_bytes(),
            "inception": self.inception.signed.raw,
            "k": self.k,
        }

    @classmethod
    def from_value(cls, value: Value) -> NewDevice:
        body = Body.open(value, "a device that joins", _KEYS)
        return cls(
            body.text("link", chars_max=4_096),
            body.text("name"),
            DeviceKey(body.data("device")),
            StoreKey(body.data("store")),
            IndexKey(body.data("index")),
            LogKey(body.data("log")),
            LogSigningKey(body.data("log_signing")),
            PersonaKey(body.data("persona")),
            ReaderSecret(body.data("reader")),
            parse_inception(body.data("inception")),
            body.data("k", length=32),
        )

    def keystore(self, given: Given) -> Keystore:
        """The keystore of this device with what it was given."""
        return Keystore(
            device=self.device,
            store=self.store,
            index=self.index,
            log=self.log,
            log_signing=self.log_signing,
            backup_public=given.backup,
            epochs=tuple(Epoch(name, VaultSecret(secret)) for name, secret in given.epochs),
            next_digests=tuple(
                given.digests[at : at + 32] for at in range(0, len(given.digests), 32)
            ),
            next_list=given.next_list,
        )


async def ask_to_join(
    new: NewDevice,
    network: Network,
    clock: Clock,
    entropy: Entropy,
    waiting: Callable[[str], None],
    checkpoint: Checkpoint = UNWATCHED,
) -> Given:
    """Ask the older device until it has given, or refuses; `waiting` is told the digits once.

    An older device that is away is asked again until the link ends.  Raises Refused, Away,
    GrantRefused, WireError, CryptoError.
    """
    invite, told = new.invite, False
    check_invite(invite, clock.now_ms())
    while True:
        out: JoinOut | None = None
        checkpoint.reached(JoinStep.ASKING)
        try:
            out = await _ask(new, invite, network, clock, entropy)
        except (Away, Refused) as error:
            # Its digits were shown, or nobody can say better than to try again.
            code = error.code if isinstance(error, Refused) else Code.BUSY.value
            later = code == Code.BUSY.value or (told and code == Code.SUSPENDED.value)
            if not later or clock.now_ms() >= invite.exp_s * 1000:
                raise
        if out is not None and out.sealed is not None:
            older, newer = device_did(invite), did_of(new.device.public)
            return open_given(
                out.sealed, new.reader, older=older, newer=newer, inception=new.inception
            )
        if out is not None and not told:
            waiting(new.code)
            told = True
        await trio.sleep(ASK_AGAIN_S)


async def _ask(
    new: NewDevice, invite: Invite, network: Network, clock: Clock, entropy: Entropy
) -> JoinOut:
    now_ms = clock.now_ms()
    certificate = make_certificate(
        new.persona,
        device=new.device,
        cmds=("/",),
        exp_s=now_ms // 1000 + CERTIFICATE_LIFE_S,
        now_ms=now_ms,
    )
    args = PairOpenArgs(
        invite.secret,
        new.inception.signed.raw,
        certificate.signed.raw,
        new.name,
        new.k,
        tuple(network.addresses),
    )
    invocation = issue_invocation(
        new.persona,
        sub=new.inception.did,
        cmd=Cmd.DEVICE_JOIN,
        args=args.value(),
        prf=(),
        exp=now_ms // 1000 + INVOCATION_LIFE_S,
        nonce=entropy.random_bytes(_NONCE_BYTES),
        aud=device_did(invite),
    )
    try:
        stream = await network.dial(invite.device, invite.addresses, DIAL_S)
    except TransportError as error:
        raise Away(f"the older device is away: {error}") from error
    link = Link(stream, Session.dialler(stream.remote_key, now_ms), clock, dialled=True)
    link.session.hello(None, None, None)
    answer: Answer | None = None
    failed: EntrenousError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run, _no_greeting, _no_service)
        try:
            with trio.move_on_after(ANSWER_S):
                await link.opened.wait()
                with await link.ask(invocation.raw, aside=True) as asking:
                    answer = answer_of(await asking.reply())
        except EntrenousError as error:
            failed = error  # raised outside: a nursery would wrap it
        link.close()
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed
    if answer is None:
        raise Away("the older device did not answer")
    answer.signed.verify(invite.device)
    if answer.inv != invocation.cid or answer.code is not Code.OK:
        raise WireError("the older device answered something else")
    out = parse_out(Cmd.DEVICE_JOIN, answer.out)
    assert isinstance(out, JoinOut)
    return out


async def _no_greeting(_link: Link, _hello: HelloReceived) -> None:
    """A stranger's hello says nothing that must be decided on."""


def _no_service(_link: Link, _demand: Demand) -> None:
    """Nothing is served before there is a home."""


# --- the home -------------------------------------------------------------------------------------


def settle(node: Node, new: NewDevice, given: Given, now_ms: int, tx: Tx) -> None:
    """Keep in a new store who this device is, and who the others are."""
    devices = node.own_devices
    rows = [OwnDevice.from_value(value) for value in given.devices]
    devices.be(tx, new.persona, new.reader, now_ms, new.inception)
    devices.join(tx, given.family, rows, now_ms)
    node.peers.take_half(tx, given.first, given.end)
    node.household.take_numbers(tx, *given.people)


@dataclass(frozen=True, slots=True)
class Joined:
    """A home that is another device now.  `others` are the names of the devices it knows."""

    name: str
    device: Did
    others: tuple[str, ...]


def new_device(
    folder: Path,
    link: str,
    name: str,
    unlock: Unlock,
    entropy: Entropy,
    checkpoint: Checkpoint = UNWATCHED,
) -> NewDevice:
    """The keys with which the home `folder` joins: made, or those of a join that was interrupted.

    Raises HomeError, WrongPassphrase, WireError, VersionError, UsageError for another link than
    the one that the interrupted join had.
    """
    home = Home(folder)
    home.create()
    if home.keystore.exists():
        raise HomeError(f"there is a home at {folder} already; nothing was changed")
    path = folder / _STATE
    if path.exists():
        kept = NewDevice.from_value(decode(_open(unlock, path), bytes_max=_STATE_BYTES_MAX))
        if kept.link != link.strip():
            raise UsageError(
                f"{folder} began to join by another link: go on with that one, or choose another "
                "--home"
            )
        return kept
    new = NewDevice.create(link, name, entropy)
    write_atomically(path, _sealed(unlock, encode(new.value()), entropy))
    checkpoint.reached(JoinStep.KEPT)
    return new


async def join_home(
    folder: Path,
    new: NewDevice,
    unlock: Unlock,
    network: Network,
    *,
    clock: Clock,
    entropy: Entropy,
    waiting: Callable[[str], None],
    offload: Offload | None = None,
    checkpoint: Checkpoint = UNWATCHED,
) -> Joined:
    """Ask with the keys of `new_device`, and make the home of what is given.

    Raises as `ask_to_join`, HomeError, StoreError: then there is no home yet, and the same link
    goes on from here.
    """
    home = Home(folder)
    given = await ask_to_join(new, network, clock, entropy, waiting, checkpoint)
    checkpoint.reached(JoinStep.HEARD)
    keystore = new.keystore(given)
    config = Config(name=clean_name(given.name), role=Role(given.role))
    with home.locked():
        # Of a join that was interrupted: without a keystore nothing was ever added to it.
        for path in (home.database, *_beside(home.database)):
            path.unlink(missing_ok=True)
        async with InlineDatabase(home.database, durable=True) as database:
            ground = Ground(database, NoNetwork(), clock, entropy, offload or ThreadOffload())
            node = Node(ground, keystore, config)
            now_ms = clock.now_ms()
            await database.write(lambda tx: settle(node, new, given, now_ms, tx))
            others = await database.read(node.own_devices.others)
        checkpoint.reached(JoinStep.SETTLED)
        write_atomically(home.config, config.text().encode())
        write_atomically(home.keystore, sealed_keystore(keystore, unlock, entropy))
        checkpoint.reached(JoinStep.MADE)
        (folder / _STATE).unlink(missing_ok=True)
    return Joined(config.name, did_of(new.device.public), tuple(one.name for one in others))


def _beside(database: Path) -> tuple[Path, ...]:
    return tuple(database.with_name(database.name + ending) for ending in ("-wal", "-shm"))


def _sealed(unlock: Unlock, plain: bytes, entropy: Entropy) -> bytes:
    if isinstance(unlock, Passphrase):
        return seal_with_passphrase(unlock.raw, plain, entropy=entropy)
    return seal_with_key_file(unlock, plain, entropy=entropy)


def _open(unlock: Unlock, path: Path) -> bytes:
    try:
        sealed = path.read_bytes()
    except OSError as error:
        raise HomeError(f"{path} cannot be read: {error.strerror}") from error
    if isinstance(unlock, Passphrase):
        return open_with_passphrase(unlock.raw, sealed)
    return open_with_key_file(unlock, sealed)
