"""Targets: what comes off a stream in pieces, or out of a file that is sealed."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar, cast

import trio

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadCiphertext, BadKey, BadWords, CryptoError, WrongPassphrase
from entrenous.crypto.keys import FileKey
from entrenous.crypto.recovery import backup_secret
from entrenous.crypto.seal import seal
from entrenous.crypto.shares import combine, recovery_secret, recovery_words
from entrenous.crypto.stream import decrypt_stream, encrypt_stream
from entrenous.crypto.unlock import (
    KeyFileSecret,
    needs_key_file,
    open_with_key_file,
    open_with_passphrase,
    seal_with_key_file,
    seal_with_passphrase,
)
from entrenous.node.backup import MAGIC, BackupError, BackupHead, open_backup
from entrenous.node.control_frame import (
    REQUEST_BYTES_MAX,
    ControlError,
    EndOfFrames,
    FrameReader,
    frame,
)
from entrenous.node.errors import HomeError
from entrenous.node.keystore import Keystore
from entrenous.node.network import https
from entrenous.node.network.transport import StreamClosed
from entrenous.node.network.well_known import DomainSilent, DomainWithout
from entrenous.node.network.yamux import HEADER, Flag, MuxError, Type, Yamux
from entrenous.protocol import parcel
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import RecordError, RemoteProtocolError, WireError
from entrenous.protocol.frame import FrameDecoder, encode_frame, encode_page_frame
from entrenous.protocol.limits import FRAME_BYTES_MAX
from entrenous.protocol.wire import encode
from entrenous.tests.protocol import spec_world

from .examples import chapter, example
from .healing import healing
from .target import Form, Tape, Target, require, same

T = TypeVar("T")
_ENTROPY = b"fuzz streams"


def _frames(data: bytes) -> object:
    """Byte 0: how the stream is cut; then the stream."""
    size, stream = 1 + (data[0] if data else 0), data[1:]
    whole, cut = _decoded(stream, len(stream) or 1), _decoded(stream, size)
    same(whole, cut, "how bytes are cut matters")
    return whole


def _decoded(stream: bytes, size: int) -> object:
    decoder = FrameDecoder(FRAME_BYTES_MAX)
    found: list[object] = []
    try:
        for at in range(0, len(stream), size):
            decoder.feed(stream[at : at + size])
            while (one := decoder.next_frame()) is not None:
                again = (
                    encode_page_frame(one.call, [one.body])
                    if isinstance(one.body, bytes) and one.kind == "page"
                    else encode_frame(one.kind, one.call, one.body)
                )
                found.append(again)
    except (WireError, RemoteProtocolError) as error:
        return found, type(error).__name__, str(error)
    same(
        b"".join(cast("list[bytes]", found)) + stream[len(stream) - len(decoder) :], stream, "lost"
    )
    return found, len(decoder), decoder.missing()


def _yamux(data: bytes) -> object:
    """A script: frames of the peer's, our own calls; nothing but MuxError, and room is bounded."""
    tape = Tape(data)
    mux = Yamux(dialler=bool(tape.upto(1)))
    opened = [mux.open()] if tape.upto(1) else []
    happened: list[str] = []
    came = 0
    while tape:
        try:
            match tape.upto(9):
                case 0:
                    opened.append(mux.open())
                case 1 if opened:
                    mux.send(opened[tape.upto(len(opened) - 1)], memoryview(bytes(tape.upto(255))))
                case 2 if opened:
                    happened.append(repr(mux.read(opened[tape.upto(len(opened) - 1)], 100)))
                case 3 if opened:
                    getattr(mux, ("finish", "discard", "reset")[tape.upto(2)])(
                        opened[tape.upto(len(opened) - 1)]
                    )
                case 4:
                    happened.append(mux.data_to_send(65_536).hex())
                case _:
                    raw = _mux_frame(tape)
                    came += len(raw)
                    for what, number in mux.receive_data(raw):
                        happened.append(f"{what.name} {number}")
                        opened.append(number)
        except (MuxError, StreamClosed) as error:
            happened.append(str(error))
            if mux.gone:
                break
    require(mux.streams_of_peer <= mux.streams_open, "more streams of the peer than streams")
    require(mux.backlog_bytes <= 1024 * 1024 + 16 * came, "what waits to be sent has no bound")
    return happened


def _mux_frame(tape: Tape) -> bytes:
    if tape.upto(7) == 0:
        return tape.some()
    kind, flags, number = tape.upto(3), tape.upto(15), tape.upto(5)
    body = bytes(tape.upto(255)) if kind == Type.DATA else b""
    length = len(body) if kind == Type.DATA else (tape.upto(2**32 - 1))
    return HEADER.pack(0, kind, flags, number, length) + body


def _mux_seeds() -> list[bytes]:
    syn, data = int(Flag.SYN), int(Type.DATA)
    opens = bytes((9, 1, data, syn, 2, 200)) + bytes((9, 1, data, 0, 2, 90))
    return [
        b"\0\1" + opens + b"\2\0\3\0\0\4",
        b"\1\0" + bytes((9, 1, 1, syn, 1, 0, 1, 0, 0)) + b"\4",
    ]


class _Given:
    """A stream that hands out what it was given, in pieces, without ever waiting."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self._size = size
        self.said = 0

    async def send_all(self, data: bytes) -> None:
        self.said += len(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        size = min(self._size, max_bytes or self._size)
        piece, self._data = self._data[:size], self._data[size:]
        return piece


def _ran(coroutine: Coroutine[Any, Any, T]) -> T:
    """The value of a coroutine that never waits, without a loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    raise AssertionError("it waits")


def _control(data: bytes) -> object:
    stream = _Given(data[1:], 1 + (data[0] if data else 0))
    reader = FrameReader(cast("trio.abc.ReceiveStream", stream), REQUEST_BYTES_MAX)
    found: list[object] = []
    try:
        while True:
            value = _ran(reader.receive())
            found.append(frame(value))
    except EndOfFrames:
        same(b"".join(cast("list[bytes]", found)), data[1:], "a frame has two forms")
        return found


def _https(data: bytes) -> object:
    stream = _Given(data[1:], 1 + (data[0] if data else 0) * 64)
    # The loop over one connection, without the connection: its parts have no other door.
    get = https._get  # pyright: ignore[reportPrivateUsage]  # the reader alone
    body = _ran(get(cast("trio.SSLStream[trio.SocketStream]", stream), "example.org"))
    require(len(body) <= len(data), "an answer holds more than came")
    return body


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_HTTPS_SEEDS = (
    b"\xff" + _HEAD + b"Content-Length: 2\r\n\r\n{}",
    b"\1" + _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"\xff" + _HEAD + b"Connection: close\r\n\r\n{}",
    b"\xffHTTP/1.1 100 Continue\r\n\r\n" + _HEAD + b"Content-Length: 2\r\n\r\n{}",
    b"\xffHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"\xffHTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
)


# --- sealed files ---------------------------------------------------------------------------------


@cache
def folder() -> Path:
    """A folder for files that readers take by their name; one for each process."""
    return Path(mkdtemp(prefix="entrenous-fuzz-"))


def written(data: bytes, name: str) -> Path:
    path = folder() / name
    path.write_bytes(data)
    return path


def _backup(data: bytes) -> object:
    """Byte 0: the file as it is, or what stands inside one that the words open."""
    secret = backup_secret(spec_world.cast().recovery)
    raw = _sealed_backup(secret.public, data[1:]) if data[:1] == b"\0" else data[1:]
    with open_backup(written(raw, "backup"), secret) as opened:
        size = sum(len(chunk) for chunk in opened.database())
        same(size, opened.head.database_bytes, "a database of another length is taken")
        Keystore.from_bytes(opened.head.keystore)
        return opened.head.value()


def _sealed_backup(public: bytes, content: bytes) -> bytes:
    entropy = SeededEntropy(_ENTROPY)
    key = FileKey.generate(entropy)
    sealed = seal(public, MAGIC, key.secret_bytes(), entropy=entropy)
    return MAGIC + sealed + b"".join(encrypt_stream(key, [content], entropy=entropy))


def _keystore() -> Keystore:
    recovery = spec_world.cast().recovery
    return Keystore.create(recovery, SeededEntropy(_ENTROPY), successions=2)


def _backup_seeds() -> list[bytes]:
    head = BackupHead("entrenous", 1, _keystore().to_bytes(), "name = 'x'\n", 100)
    raw = encode(head.value())
    inside = struct.pack(">I", len(raw)) + raw + bytes(100)
    public = backup_secret(spec_world.cast().recovery).public
    return [b"\0" + inside, b"\1" + _sealed_backup(public, inside)]


def _keystore_inside(data: bytes) -> object:
    keystore = Keystore.from_bytes(data)
    same(keystore.to_bytes(), data, "a keystore has two forms")
    return repr(keystore)


_KEY_FILE = KeyFileSecret(bytes(32))
_KIND_AT = len(b"entrenous/1/keystore\n")
_DEAR = (
    3 * 16
)  # passes times MiB: more than that is the owner's choice, and no business of a fuzzer


def _keystore_file(data: bytes) -> object:
    if needs_key_file(data):
        return open_with_key_file(_KEY_FILE, data)
    passes, memory_kib = struct.unpack_from(">II", data, _KIND_AT + 1)
    if 0 < passes * (memory_kib >> 10) > _DEAR and passes <= 12 and memory_kib <= 256 * 1024:
        return None
    return open_with_passphrase(b"a passphrase", data)


def _keystore_seeds() -> list[bytes]:
    from entrenous.crypto.unlock import Cost

    entropy = SeededEntropy(_ENTROPY)
    cheap = Cost(passes=1, memory_kib=8)
    return [
        seal_with_key_file(_KEY_FILE, b"inside", entropy=entropy),
        seal_with_passphrase(b"a passphrase", b"inside", entropy=entropy, cost=cheap),
    ]


def _parcel_envelope(data: bytes) -> object:
    who = spec_world.cast()
    secrets = [who.person_reader, who.supplier_reader]
    return parcel.open_envelope(data, did_of(who.supplier.public), secrets) is None


def _parcel_stream(data: bytes) -> object:
    """The content of a parcel's stream: head, parts, padding.  Byte 0: whether it is padded."""
    content = data[1:]
    size = int.from_bytes(content[:4], "big")
    if not 0 < size <= len(content) - 4:
        return _unpacked(content, padded=data[:1] == b"\0")

    def of_head(head: bytes) -> object:
        whole = len(head).to_bytes(4, "big") + head + content[4 + size :]
        return _unpacked(whole, padded=data[:1] == b"\0")

    return healing(of_head)(content[4 : 4 + size])


def _unpacked(content: bytes, *, padded: bool) -> object:
    key = FileKey(bytes(32))
    if padded:
        content += bytes(parcel.bucket(len(content)) - len(content))
    pieces = encrypt_stream(key, [content], entropy=SeededEntropy(_ENTROPY))
    unpacking = parcel.Unpacking(pieces, key)
    parts = [unpacking.parts(call) for call in unpacking.head.calls]
    unpacking.end()
    return unpacking.head.signed.raw, parts


def _parcel_file(data: bytes) -> object:
    parcel.check_magic(data[: len(parcel.MAGIC)])
    return bytes(data)


def _stream(data: bytes) -> object:
    """Byte 0: how it is cut; a stream under the known key, or anything."""
    key, size = FileKey(bytes(32)), 1 + (data[0] if data else 0)
    raw = data[1:]
    pieces = (raw[at : at + size] for at in range(0, len(raw), size))
    whole = b"".join(decrypt_stream(key, iter([raw])))
    same(b"".join(decrypt_stream(key, pieces)), whole, "how bytes are cut matters")
    return whole


def _words(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    if "\n" in text:
        return combine(text.split("\n"))
    return recovery_secret(text).secret_bytes()


def _words_seeds() -> list[bytes]:
    words = recovery_words(spec_world.cast().recovery, entropy=SeededEntropy(_ENTROPY))
    return [words.encode(), f"{words}\n{words}".encode(), words.upper().encode()]


TARGETS = (
    Target(
        "frames",
        _frames,
        ("protocol.frame",),
        lambda: [bytes((cut,)) + raw for cut in (0, 255) for raw in chapter("frames")],
        (),
        words=(b"\x83\x64page", b"\x83\x66answer", b"\x83\x65hello", b"\0\0\0\x12"),
        bytes_max=4096,
        weight=2,
    ),
    Target("yamux", _yamux, ("node.network.yamux",), _mux_seeds, (), bytes_max=2048, weight=3),
    Target(
        "control-frames",
        _control,
        ("node.control_frame",),
        lambda: [b"\xff" + frame({"op": "status", "args": {}}) * 2, b"\0" + frame([1])],
        (ControlError,),
    ),
    Target(
        "https-answer",
        _https,
        ("node.network.https",),
        lambda: list(_HTTPS_SEEDS),
        (DomainSilent, DomainWithout),
        words=(b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", b"HTTP/1.1 "),
        weight=2,
    ),
    Target(
        "backup",
        _backup,
        ("node.backup", "crypto.stream", "crypto.seal"),
        _backup_seeds,
        (BackupError, HomeError, BadKey),
    ),
    Target(
        "keystore",
        _keystore_inside,
        ("node.keystore",),
        lambda: [_keystore().to_bytes()],
        (HomeError, BadKey),
        form=Form.VALUE,
    ),
    Target(
        "keystore-file",
        _keystore_file,
        ("crypto.unlock", "crypto.aead"),
        _keystore_seeds,
        (BadCiphertext, WrongPassphrase, CryptoError),
        bytes_max=512,
    ),
    Target(
        "parcel-envelope",
        _parcel_envelope,
        ("protocol.parcel",),
        lambda: [example("parcel", "the file")[len(parcel.MAGIC) :][: parcel.ENVELOPE_BYTES]],
        (WireError,),
        bytes_max=512,
    ),
    Target(
        "parcel-content",
        _parcel_stream,
        ("protocol.parcel", "crypto.stream"),
        lambda: [_content_of(example("parcel", "the head"))],
        (WireError, BadCiphertext, CryptoError, RecordError),
        weight=2,
    ),
    Target(
        "parcel-file",
        _parcel_file,
        ("protocol.parcel",),
        lambda: [example("parcel", "the file")[:64]],
        (WireError,),
        words=(b"entrenous/2/parcel-file", parcel.MAGIC),
        bytes_max=128,
    ),
    Target(
        "stream",
        _stream,
        ("crypto.stream",),
        lambda: [
            b"\x11"
            + b"".join(
                encrypt_stream(FileKey(bytes(32)), [b"x" * 50], entropy=SeededEntropy(_ENTROPY))
            )
        ],
        (BadCiphertext,),
        bytes_max=512,
    ),
    Target(
        "recovery-words",
        _words,
        ("crypto.shares",),
        _words_seeds,
        (BadWords,),
        words=(b"academic", b"zero", b"\n", b" "),
        bytes_max=2048,
        cpu_s=10.0,
    ),
)


def _content_of(head: bytes) -> bytes:
    return b"\0" + len(head).to_bytes(4, "big") + head
