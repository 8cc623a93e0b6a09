"""Receipts: both sides over one body, windows that tile what was asked, blinded fingerprints."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.digest import hmac_sha256, kdf
from entrenous.crypto.errors import BadSignature
from entrenous.crypto.keys import DeviceKey, GrantKey, LogKey, PairKey, PersonaKey
from entrenous.crypto.labels import Derive, Signed
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, Code, RemoteProtocolError, WireError
from entrenous.protocol.persona import make_certificate
from entrenous.protocol.receipt import (
    Asked,
    ReceiptBody,
    check_next,
    check_prev,
    countersign,
    countersigned,
    fingerprint,
    leaf_data,
    leaf_key,
    make_answer,
    offered,
    parse_answer,
    parse_receipt,
    receipt_body_from_value,
    receipt_key,
    sign_receipt,
)
from entrenous.protocol.signed import sign
from entrenous.protocol.wire import Value

NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
OWNER, READER, STRANGER = (PersonaKey(bytes([n]) * 32) for n in (1, 2, 3))
DEVICE, OTHER = (DeviceKey(bytes([n]) * 32) for n in (4, 5))
INV, DLG = cid_of(b"invocation"), cid_of(b"delegation")
CERT = make_certificate(OWNER, device=DEVICE, cmds=["/"], exp_s=NOW_S + 86_400, now_ms=NOW_MS)
ASKED = Asked(INV, DLG, did_of(DEVICE.public), did_of(READER.public), 10, 39)
BODY = ReceiptBody(
    inv=INV,
    dlg=DLG,
    server=ASKED.server,
    reader=ASKED.reader,
    window=0,
    last=True,
    entries_root=bytes(32),
    first=10,
    last_day=39,
    pages=30,
    size=61_440,
    t_ms=NOW_MS,
    prev=None,
)


def test_a_receipt_is_one_sided_until_the_reader_signs_the_same_body() -> None:
    mine = sign_receipt(BODY, DEVICE)
    assert mine.one_sided
    theirs = offered(BODY.value(), mine.signed.signatures[0], CERT)
    assert theirs.cid == mine.cid
    both = countersigned(mine, countersign(theirs, READER))
    assert not both.one_sided
    assert both.cid == mine.cid
    both.verify(CERT)
    again = parse_receipt(both.signed.raw)
    assert (again.body, again.cid) == (BODY, both.cid)
    assert parse_receipt(mine.signed.raw).one_sided


def test_a_countersignature_of_anyone_else_or_over_anything_else_is_refused() -> None:
    mine = sign_receipt(BODY, DEVICE)
    other = sign_receipt(replace(BODY, pages=29), DEVICE)
    for signature in (
        countersign(mine, STRANGER),
        countersign(other, READER),
        mine.signed.signatures[0],
        bytes(64),
        b"",
    ):
        with pytest.raises(BadSignature):
            countersigned(mine, signature)


def test_an_offer_is_by_the_device_of_the_certificate_at_its_time() -> None:
    signature = sign_receipt(BODY, DEVICE).signed.signatures[0]
    with pytest.raises(BadSignature):
        offered(replace(BODY, size=1).value(), signature, CERT)
    elsewhere = make_certificate(
        OWNER, device=OTHER, cmds=["/"], exp_s=NOW_S + 86_400, now_ms=NOW_MS
    )
    with pytest.raises(CapabilityError) as refused:
        offered(BODY.value(), signature, elsewhere)
    assert refused.value.code is Code.AUDIENCE
    for_others = make_certificate(
        OWNER, device=DEVICE, cmds=["/grant"], exp_s=NOW_S + 86_400, now_ms=NOW_MS
    )
    with pytest.raises(CapabilityError) as refused:
        offered(BODY.value(), signature, for_others)
    assert refused.value.code is Code.COMMAND
    late = replace(BODY, t_ms=NOW_MS + 2 * 86_400_000)
    with pytest.raises(CapabilityError) as refused:
        sign_receipt(late, DEVICE).verify(CERT)
    assert refused.value.code is Code.EXPIRED


@pytest.mark.parametrize(
    "body",
    [
        replace(BODY, first=40),
        replace(BODY, pages=0),
        replace(BODY, size=0),
        replace(BODY, size=1024 * 1024 + 1),
        replace(BODY, pages=1_025),
        replace(BODY, window=-1),
        replace(BODY, inv=bytes(36)),
        replace(BODY, prev=bytes(35)),
        replace(BODY, entries_root=bytes(31)),
        replace(BODY, last_day=65_536),
    ],
)
def test_an_impossible_receipt_is_refused(body: ReceiptBody) -> None:
    with pytest.raises(WireError):
        receipt_body_from_value(body.value())


# --- windows tile ---------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(10, 39), st.booleans()), max_size=5))
def test_windows_that_tile_the_days_are_accepted(cuts: list[tuple[int, bool]]) -> None:
    """Cut the asked days anywhere; a cut day may be in both windows."""
    previous: ReceiptBody | None = None
    first = 10
    for day, split in sorted(set(cuts)):
        if day < first or (day == 39 and not split):
            continue
        body = replace(
            BODY,
            window=0 if previous is None else previous.window + 1,
            last=False,
            first=first,
            last_day=day,
        )
        check_next(body, ASKED, previous)
        previous, first = body, day if split else day + 1
    last = replace(BODY, window=0 if previous is None else previous.window + 1, first=first)
    check_next(last, ASKED, previous)


FIRST = replace(BODY, last=False, last_day=20)


@pytest.mark.parametrize(
    ("body", "previous"),
    [
        (replace(BODY, first=11), None),
        (replace(BODY, first=9), None),
        (replace(BODY, last_day=38), None),
        (replace(BODY, last_day=40), None),
        (replace(FIRST, last_day=40), None),
        (replace(BODY, window=1), None),
        (replace(BODY, pages=0, size=0, last=False), None),
        (replace(BODY, inv=DLG), None),
        (replace(BODY, dlg=INV), None),
        (replace(BODY, server=did_of(OTHER.public)), None),
        (replace(BODY, reader=did_of(STRANGER.public)), None),
        (replace(BODY, window=1, first=22), FIRST),
        (replace(BODY, window=1, first=19), FIRST),
        (replace(BODY, window=2, first=21), FIRST),
        (replace(BODY, window=0, first=21), FIRST),
        (replace(BODY, window=1, first=21, t_ms=NOW_MS - 1), FIRST),
        (replace(BODY, window=1, first=21, pages=0, size=0), FIRST),
        (replace(BODY, window=1, first=39), BODY),
    ],
)
def test_windows_that_do_not_tile_are_refused(
    body: ReceiptBody, previous: ReceiptBody | None
) -> None:
    with pytest.raises(RemoteProtocolError):
        check_next(body, ASKED, previous)


def test_no_page_is_one_empty_window() -> None:
    check_next(replace(BODY, pages=0, size=0), ASKED, None)


def test_a_receipt_follows_the_last_one_known() -> None:
    check_prev(None, None)
    check_prev(INV, INV)
    for prev, known in ((None, INV), (INV, None), (INV, DLG)):
        with pytest.raises(RemoteProtocolError, match="older state"):
            check_prev(prev, known)


# --- fingerprints ---------------------------------------------------------------------------------


def test_a_fingerprint_is_what_the_formats_say() -> None:
    k_grant, k_log = GrantKey(bytes([6]) * 32), LogKey(bytes([7]) * 32)
    cid = sign_receipt(BODY, DEVICE).cid
    k_r = receipt_key(k_grant, INV, 3)
    assert k_r.secret_bytes() == kdf(k_grant.secret_bytes(), Derive.RECEIPT, INV, 3)
    f = fingerprint(k_r, cid)
    assert f == hmac_sha256(k_r.secret_bytes(), cid)
    assert leaf_data(k_log, 9, f) == hmac_sha256(leaf_key(k_log, 9), f)
    assert k_r.secret_bytes().hex() not in repr(k_r)


def test_fingerprints_of_two_logs_windows_and_grants_are_unlinked() -> None:
    cid = cid_of(b"receipt")
    shared = (GrantKey(bytes([6]) * 32), GrantKey(bytes([7]) * 32), PairKey(bytes([8]) * 32))
    found = {
        leaf_data(LogKey(bytes([log]) * 32), index, fingerprint(receipt_key(k, INV, window), cid))
        for log in (1, 2)
        for index in (0, 1)
        for k in shared
        for window in (0, 1)
    }
    assert len(found) == 2 * 2 * 3 * 2


# --- answers --------------------------------------------------------------------------------------


def test_an_answer_is_by_the_device_to_this_invocation() -> None:
    answer = make_answer(DEVICE, inv=INV, code=Code.DAYS, out="too long", t_ms=NOW_MS, prev=DLG)
    again = parse_answer(answer.signed.raw)
    again.verify(CERT, INV)
    assert (again.code, again.out, again.prev) == (Code.DAYS, "too long", DLG)
    with pytest.raises(CapabilityError, match="another invocation"):
        again.verify(CERT, DLG)
    forged = make_answer(OTHER, inv=INV, code=Code.OK, out=None, t_ms=NOW_MS, prev=None)
    with pytest.raises(BadSignature):
        forged.verify(CERT, INV)


def test_a_code_that_is_not_known_is_refused() -> None:
    body: dict[str, Value] = {
        "v": 1,
        "inv": INV,
        "code": "perhaps",
        "out": None,
        "t_ms": NOW_MS,
        "prev": None,
    }
    with pytest.raises(WireError, match="code is not known"):
        parse_answer(sign(Signed.ANSWER, body, DEVICE).raw)
