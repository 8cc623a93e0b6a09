"""Parcels that are damaged, late, repeated, forged or too much: a sentence, and nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from entrenous.crypto.digest import sha256
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import CryptoError
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.crypto.stream import CHUNK_BYTES, CHUNK_OVERHEAD_BYTES, HEADER_BYTES
from entrenous.node.errors import NodeError, NotAllowed, NotFound
from entrenous.node.parcels.opening import ParcelRefused
from entrenous.node.results.parcels import Fate
from entrenous.protocol.cid import cid_of
from entrenous.protocol.command import Cmd, DeliverArgs
from entrenous.protocol.counter import CounterWindow
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code, GrantRefused, WireError
from entrenous.protocol.limits import (
    COUNTER_LEAP_MAX,
    COUNTER_WINDOW,
    PARCEL_CALLS_MAX,
    PART_BYTES_MAX,
)
from entrenous.protocol.parcel import ENVELOPE_BYTES, MAGIC, bucket
from entrenous.protocol.parcel_head import ParcelCall, ParcelWord, parse_head
from entrenous.protocol.persona import make_certificate
from entrenous.protocol.receipt import make_answer
from entrenous.protocol.signed import sign
from entrenous.protocol.wire import Value
from entrenous.tests.node.forged_parcels import Forger, everything
from entrenous.tests.node.test_parcels import Stick, apart, ask_by_file
from entrenous.tests.node.two_nodes import DAY_S, Party, a_town
from entrenous.tests.protocol import spec_parcel
from entrenous.tests.protocol.spec_world import cast

ENTROPY = SeededEntropy(b"hostile parcels")


async def refused(
    party: Party, parcel: Path, sentence: str, error: type[NodeError] = ParcelRefused
) -> None:
    """The parcel is refused with this sentence, and not a row is another than before."""
    before = await everything(party)
    with pytest.raises(error, match=sentence):
        await party.node.parcel_taking.take(parcel)
    assert await everything(party) == before


async def a_parcel(town_parts: tuple[Party, Party, Stick]) -> Path:
    home, shop, stick = town_parts
    await ask_by_file(shop, home, days=90)
    return await stick.write(shop, home)


# --- the file -------------------------------------------------------------------------------------


async def test_a_parcel_that_was_cut_off(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        whole = (await a_parcel((home, shop, stick))).read_bytes()
        for length in (0, 5, len(MAGIC)):
            short = tmp_path / f"short-{length}"
            short.write_bytes(whole[:length])
            error = NotAllowed if length == len(MAGIC) else ParcelRefused
            await refused(home, short, "not a parcel|not for this home", error)
        for length in (len(MAGIC) + ENVELOPE_BYTES, len(whole) // 2, len(whole) - 1):
            short = tmp_path / f"short-{length}"
            short.write_bytes(whole[:length])
            await refused(home, short, "nothing was changed")


async def test_a_parcel_in_which_any_byte_was_altered(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        whole = (await a_parcel((home, shop, stick))).read_bytes()
        altered = tmp_path / "altered"
        for place in (0, len(MAGIC), len(MAGIC) + ENVELOPE_BYTES + 3, len(whole) // 2, -1):
            data = bytearray(whole)
            data[place] ^= 1
            altered.write_bytes(data)
            error = NotAllowed if place == len(MAGIC) else ParcelRefused
            await refused(home, altered, "not a parcel|not for this home|nothing was", error)
        altered.write_bytes(whole + b"\0")
        await refused(home, altered, "nothing was changed")


async def test_chunks_in_another_order(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        size = 4 * CHUNK_BYTES
        call = ParcelCall(forger.request().inv, (), (size,))
        whole = forger.seal(forger.head([call]), [bytes(size)])
        start = len(MAGIC) + ENVELOPE_BYTES + HEADER_BYTES
        chunk = CHUNK_BYTES + CHUNK_OVERHEAD_BYTES
        first, second = whole[start : start + chunk], whole[start + chunk : start + 2 * chunk]
        swapped, doubled = tmp_path / "swapped", tmp_path / "doubled"
        swapped.write_bytes(whole[:start] + second + first + whole[start + 2 * chunk :])
        doubled.write_bytes(whole[:start] + first + whole[start:])
        await refused(home, swapped, "altered or cut off")
        await refused(home, doubled, "altered or cut off")


async def test_what_is_no_file_of_ours(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, _, _ = await apart(town, tmp_path)
        (tmp_path / "letter").write_text("Dear all, entrenous is a word of French.")
        await refused(home, tmp_path / "letter", "not a parcel of entrenous")
        await refused(home, tmp_path, "is not a file|Is a directory")
        await refused(home, tmp_path / "nowhere", "cannot be read", NotFound)
        (tmp_path / "next").write_bytes(MAGIC.replace(b"/1/", b"/2/") + bytes(500))
        await refused(home, tmp_path / "next", "newer version than this program")


# --- for whom, from whom --------------------------------------------------------------------------


async def test_a_parcel_for_another_home(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        parcel = await a_parcel((home, shop, stick))
        other = await town.party("other")
        await refused(other, parcel, "not for this home", NotAllowed)
        await refused(shop, parcel, "not for this home", NotAllowed)


async def test_a_parcel_from_nobody_it_knows(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        forger.persona = PersonaKey.generate(ENTROPY)
        forger.certificate = forger.certify(forger.device)
        parcel = forger.write(tmp_path / "x", forger.head([forger.request()]))
        await refused(home, parcel, "somebody with whom this home is not paired", NotAllowed)


async def test_an_envelope_of_a_peer_around_a_parcel_of_another(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        known = did_of(forger.persona.public)
        forger.persona = PersonaKey.generate(ENTROPY)
        forger.certificate = forger.certify(forger.device)
        (tmp_path / "x").write_bytes(forger.seal(forger.head(), sender=known))
        await refused(home, tmp_path / "x", "other personas inside than on its envelope")


async def test_a_parcel_for_another_device(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        aud = did_of(DeviceKey.generate(ENTROPY).public)
        parcel = forger.write(tmp_path / "x", forger.head([forger.request()], aud=aud))
        await refused(home, parcel, "another device", NotAllowed)


async def test_a_head_that_another_device_signed(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        # The writer itself does not sign this: its signature is not the certified device's.
        with pytest.raises(Exception, match="signature"):
            forger.head([forger.request()], key=DeviceKey.generate(ENTROPY))


# --- when -----------------------------------------------------------------------------------------


async def test_a_clock_that_is_wrong(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        old = forger.head([forger.request()], made_ms=forger.now_ms - 40 * DAY_S * 1000)
        await refused(home, forger.write(tmp_path / "old", old), "too old")
        ahead = forger.head([forger.request()], made_ms=forger.now_ms + DAY_S * 1000)
        await refused(home, forger.write(tmp_path / "ahead", ahead), "from the future")
        long = forger.head([forger.request()], life_s=90 * DAY_S)
        await refused(home, forger.write(tmp_path / "long", long), "from the future")


async def test_a_parcel_that_stayed_in_a_drawer(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        parcel = await a_parcel((home, shop, stick))
        town.clock.ahead_ms += 31 * DAY_S * 1000
        await refused(home, parcel, "too old: ask its sender for a new one")
        fresh = await stick.carry(shop, home)
        assert [item.fate for item in fresh.items] == [Fate.DONE]


# --- the counter ----------------------------------------------------------------------------------


async def test_the_same_parcel_again(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        parcel = await a_parcel((home, shop, stick))
        assert not (await home.node.parcel_taking.take(parcel)).before
        before = await everything(home)
        assert (await home.node.parcel_taking.take(parcel)).before
        assert await everything(home) == before


async def test_another_parcel_with_the_same_number(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        await home.node.parcel_taking.take(await a_parcel((home, shop, stick)))
        forger = await Forger.of(shop, home)
        before = await everything(home)
        taken = await home.node.parcel_taking.take(
            forger.write(tmp_path / "x", forger.head([forger.request()]))
        )
        assert taken.before
        assert await everything(home) == before


async def test_a_counter_far_ahead(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        forger.n = COUNTER_LEAP_MAX + 1
        parcel = forger.write(tmp_path / "x", forger.head([forger.request()]))
        await refused(home, parcel, "does not follow 0, the last one taken")


async def test_old_parcels_after_newer_ones(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        sealed: dict[int, Path] = {}
        for forger.n in (1, 2, COUNTER_WINDOW + 1):
            path = tmp_path / str(forger.n)
            sealed[forger.n] = forger.write(path, forger.head([forger.request()]))
        await home.node.parcel_taking.take(sealed[COUNTER_WINDOW + 1])
        await refused(home, sealed[1], "older than the 64 that came after it")
        taken = await home.node.parcel_taking.take(sealed[2])
        assert [item.fate for item in taken.items] == [Fate.DONE]


async def test_a_call_that_was_signed_for_another_parcel(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        calls = [forger.request(n=7), forger.request(n=None), forger.request()]
        taken = await home.node.parcel_taking.take(forger.write(tmp_path / "x", forger.head(calls)))
        assert [item.fate for item in taken.items] == [Fate.REFUSED, Fate.REFUSED, Fate.DONE]
        assert taken.items[0].reason == "an invocation was signed for another parcel"
        # One call in two parcels acts once: the second is not signed for it.
        forger.n = 2
        taken = await home.node.parcel_taking.take(
            forger.write(tmp_path / "y", forger.head([calls[2]]))
        )
        assert taken.items[0].fate is Fate.REFUSED or taken.items[0].fate is Fate.BEFORE


# --- too much -------------------------------------------------------------------------------------


async def test_a_thousand_calls(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        call = forger.request()
        with pytest.raises(WireError, match=f"calls is not a list of 0 to {PARCEL_CALLS_MAX}"):
            forger.head([call] * 1_000)
        taken = await home.node.parcel_taking.take(
            forger.write(tmp_path / "x", forger.head([call] * PARCEL_CALLS_MAX))
        )
        assert [item.fate for item in taken.items].count(Fate.DONE) == 1


async def test_huge_claims(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        inv = forger.request().inv
        with pytest.raises(WireError, match="more than 256 MiB"):
            forger.head([ParcelCall(inv, (), (PART_BYTES_MAX,) * 400)])
        with pytest.raises(WireError, match="1 byte to 1 MiB"):
            forger.head([ParcelCall(inv, (), (PART_BYTES_MAX + 1,))])
        huge = tmp_path / "huge"
        with huge.open("wb") as file:
            file.truncate(1 << 40)
        await refused(home, huge, "larger than any parcel")


# --- what is inside -------------------------------------------------------------------------------


async def test_a_call_that_is_no_call(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        calls = [forger.request(), ParcelCall(b"\x80", (), ())]
        parcel = forger.write(tmp_path / "x", forger.head(calls))
        await refused(home, parcel, "nothing was changed")


async def test_a_command_of_a_newer_version(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        newer = forger.invocation({"v": 1, "to": forger.pair.their}, n=1, cmd="/weather/ask")
        read = forger.invocation({}, n=1, cmd=Cmd.READ)
        calls = [ParcelCall(newer, (), ()), ParcelCall(read, (), ()), forger.request()]
        taken = await home.node.parcel_taking.take(forger.write(tmp_path / "x", forger.head(calls)))
        assert [item.fate for item in taken.items] == [Fate.REFUSED, Fate.REFUSED, Fate.DONE]
        assert taken.items[1].reason == "a read by file is named by 16 bytes in its invocation"


async def test_answers_to_nothing_and_by_others(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        stranger, device = PersonaKey.generate(ENTROPY), DeviceKey.generate(ENTROPY)
        theirs = make_certificate(
            stranger,
            device=device,
            cmds=("/",),
            exp_s=forger.now_ms // 1000 + DAY_S,
            now_ms=forger.now_ms,
        )
        answer = make_answer(
            device, inv=cid_of(b"x"), code=Code.OK, out="kept", t_ms=forger.now_ms, prev=None
        )
        words = [
            ParcelWord(answer.signed.raw, theirs.signed.raw),
            ParcelWord(b"\x80", b"\x80"),
        ]
        logged = await home.read(home.node.receipts.all)
        taken = await home.node.parcel_taking.take(
            forger.write(tmp_path / "x", forger.head(words=words))
        )
        assert [item.fate for item in taken.items] == [Fate.BEFORE, Fate.REFUSED]
        assert await home.read(home.node.receipts.all) == logged


async def test_a_last_word_that_was_never_said(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        head = forger.head([forger.request()], last=cid_of(b"never said"))
        await refused(home, forger.write(tmp_path / "x", head), "set back to an older state")
        assert home.node.links.contradicted


# --- properties -----------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 200), max_size=60))
def test_a_window_takes_no_number_twice(numbers: list[int]) -> None:
    window, taken = CounterWindow(), set[int]()
    for number in numbers:
        try:
            window = window.taken(number)
        except GrantRefused:
            assert number in taken or number <= max(taken) - COUNTER_WINDOW
        else:
            assert number not in taken
            taken.add(number)
        again = CounterWindow.read(window.high, window.mask_bytes())
        assert again == window
        assert {n for n in range(1, 201) if n in window} == {
            n for n in taken if n > window.high - COUNTER_WINDOW
        }


@given(st.integers(0, 1 << 40))
def test_a_bucket_holds_its_size_and_little_more(size: int) -> None:
    padded = bucket(size)
    assert size <= padded <= max(size + size // 8 + 1, 16 * 1024)
    assert bucket(padded) == padded


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.binary(max_size=400))
def test_a_head_of_any_bytes_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_head(data)


# --- inside the seal ------------------------------------------------------------------------------


async def test_a_head_of_a_newer_version(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        body = {**forger.head().signed.body, "v": 2}
        raw = sign(Signed.PARCEL, body, forger.device).raw
        (tmp_path / "x").write_bytes(forger.seal_raw(len(raw).to_bytes(4, "big") + raw))
        await refused(home, tmp_path / "x", "of version 2, newer than this program")


async def test_lengths_that_are_claimed_inside_the_seal(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        raw = forger.head([forger.request()]).signed.raw
        length = len(raw).to_bytes(4, "big")
        size = bucket(len(raw) + 4)
        padded = (length + raw).ljust(size, b"\0")
        for content, sentence in (
            (b"\xff\xff\xff\xff" + bytes(100), "announces a head of 4294967295 bytes"),
            (b"\x00\x10\x00\x00" + bytes(100), "ends before what it says"),
            (b"", "ends before what it says"),
            (length + raw, "not padded to its bucket"),
            (padded + b"\0", "holds more than it says"),
            (padded[:-1] + b"\1", "holds more than it says"),
            (padded + bytes(4 * CHUNK_BYTES), "holds more than it says"),
        ):
            (tmp_path / "x").write_bytes(forger.seal_raw(content))
            await refused(home, tmp_path / "x", sentence)


async def test_parts_that_are_not_those_announced(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        parts = [bytes(1_000), bytes(2_000)]
        announced = ((sha256(parts[0]), 1_000), (sha256(b"other"), 2_000))
        args = DeliverArgs(forger.pair.their, bytes(16), cid_of(b"statement"), announced)
        inv = forger.invocation(args.value(), n=1, cmd=Cmd.DELIVER)
        for number, lengths in enumerate(((1_000, 2_000), (2_000, 1_000), (3_000,), ())):
            forger.n = number + 1
            inv = forger.invocation(args.value(), n=forger.n, cmd=Cmd.DELIVER)
            data = [bytes(length) for length in lengths]
            head = forger.head([ParcelCall(inv, (), lengths)])
            taken = await home.node.parcel_taking.take(
                forger.write(tmp_path / str(number), head, data)
            )
            assert [item.fate for item in taken.items] == [Fate.REFUSED]
            assert taken.items[0].reason
        assert await home.read(home.node.deliveries.received) == []


PARCEL, PARCEL_DEVICE = spec_parcel.head(), cast().supplier_device
_FIELDS = ("from", "to", "aud", "n", "made_ms", "exp", "cert", "last", "seen", "calls", "words")
_VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=40)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(_FIELDS), _VALUES)
def test_a_signed_head_with_any_field_altered(field: str, value: Value) -> None:
    """What a paired peer may sign: read as a head or refused, and never anything else."""
    raw = sign(Signed.PARCEL, {**PARCEL.signed.body, field: value}, PARCEL_DEVICE).raw
    try:
        parsed = parse_head(raw)
    except (WireError, CryptoError):
        return
    assert parsed.signed.raw == raw
