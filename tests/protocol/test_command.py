"""The table of commands: arguments and outcomes in their exact shape, anything else refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from multiformats import multibase

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.command import (
    DEVICE,
    OWN_NAME,
    TABLE,
    AcceptArgs,
    AcknowledgeArgs,
    AnswerRecordArgs,
    CardPutArgs,
    Cmd,
    DecideArgs,
    DeclineArgs,
    DeleteArgs,
    DeletedArgs,
    DeliverArgs,
    ErasedArgs,
    GetArgs,
    GetOut,
    HaveArgs,
    HaveOut,
    HelperAskArgs,
    HelperDecideArgs,
    HelperHaveArgs,
    HelperKeepArgs,
    HelperOverArgs,
    HelperReceiptArgs,
    HelperServesArgs,
    InvoiceArgs,
    InvoiceOut,
    JoinOut,
    KeysArgs,
    LendArgs,
    ListArgs,
    LogAskArgs,
    LogDecideArgs,
    LogWitnessArgs,
    MandateAskArgs,
    MandateDecideArgs,
    MandateEndArgs,
    MandateInboxArgs,
    MandateLendArgs,
    MandateNoticeArgs,
    MandateOutcomeArgs,
    MandatePutArgs,
    OwnArgs,
    PaidArgs,
    PairAnswer,
    PairDeviceArgs,
    PairOpenArgs,
    PairReadArgs,
    PairReadOut,
    ProposeArgs,
    RecallArgs,
    RenewArgs,
    RequestArgs,
    ReturnArgs,
    RevokeArgs,
    StandingArgs,
    StrangerArgs,
    VouchAskArgs,
    WaiveArgs,
    digest_from_text,
    digest_text,
    parse_args,
    parse_out,
)
from entrenous.protocol.deletion import make_deletion
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, Code, ProtocolError, VersionError, WireError
from entrenous.protocol.payment import Counted
from entrenous.protocol.request import Request
from entrenous.protocol.schema import CONTACT
from entrenous.protocol.shared_record import SharedName
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode, encode
from entrenous.tests.protocol import spec_devices

TO = did_of(PersonaKey(bytes([1]) * 32).public)
CID = cid_of(b"something")
TERMS = Terms("dpv:ServiceProvision", 30, (), None, ())
REQUEST = Request(TO, (Window("energy", 1, 2),), TERMS.purpose, TERMS, 9, "")
SHOWN = PairReadOut(b"inception", b"cert", bytes(32))
ANSWER = PairAnswer(b"inception", b"cert", "Bank", bytes(32))

ARGS: Mapping[Cmd, OwnArgs | StrangerArgs] = {
    Cmd.DELIVER: DeliverArgs(TO, bytes(12), CID, ((bytes(32), 9), (bytes([1]) * 32, 1024 * 1024))),
    Cmd.PROPOSE: ProposeArgs(TO, b"version", b"told"),
    Cmd.ANSWER_RECORD: AnswerRecordArgs(TO, b"version"),
    Cmd.RECALL: RecallArgs(TO, SharedName("identity/contacts", CONTACT, "c1"), CID, None),
    Cmd.RETURN: ReturnArgs(TO, b"version", None),
    Cmd.ERASED: ErasedArgs(TO, SharedName("identity/contacts", CONTACT, "c1")),
    Cmd.REQUEST: RequestArgs(TO, REQUEST),
    Cmd.DECIDE: DecideArgs(TO, CID, b"bundle", None),
    Cmd.ACCEPT: AcceptArgs(TO, CID, CID),
    Cmd.KEYS: KeysArgs(TO, b"keyset"),
    Cmd.DECLINE: DeclineArgs(TO, CID, "too short"),
    Cmd.STANDING: StandingArgs(TO),
    Cmd.REVOKE: RevokeArgs(TO, b"revocation"),
    Cmd.RENEW: RenewArgs(TO, CID, b"bundle"),
    Cmd.DELETE: DeleteArgs(TO, CID, (Window("energy", 1, 2),), erased=False),
    Cmd.DELETED: DeletedArgs(
        TO, make_deletion(PersonaKey(bytes([7]) * 32), dlg=CID, pages=3, left=1, t_ms=9)
    ),
    Cmd.CARD_PUT: CardPutArgs(TO, b"card"),
    Cmd.VOUCH_ASK: VouchAskArgs(TO, bytes(32), bytes([1]) * 32),
    Cmd.MANDATE_ASK: MandateAskArgs(TO, b"proxy"),
    Cmd.MANDATE_PUT: MandatePutArgs(TO, (b"mandate", b"passed on")),
    Cmd.MANDATE_END: MandateEndArgs(TO, b"end"),
    Cmd.MANDATE_NOTICE: MandateNoticeArgs(TO, b"invocation", b"answer"),
    Cmd.MANDATE_OUTCOME: MandateOutcomeArgs(TO, CID, granted=False, reason="closed"),
    Cmd.MANDATE_INBOX: MandateInboxArgs(TO, CID),
    Cmd.MANDATE_DECIDE: MandateDecideArgs(
        TO, CID, TO, TERMS.purpose, (Window("energy", 1, 2),), 9, None
    ),
    Cmd.MANDATE_LEND: MandateLendArgs(TO, b"bundle"),
    Cmd.LEND: LendArgs(TO, b"bundle", b"inception", b"cert", ("/ip4/10.0.0.1/tcp/4101",)),
    Cmd.PAID: PaidArgs(TO, b"payment"),
    Cmd.ACKNOWLEDGE: AcknowledgeArgs(TO, b"word"),
    Cmd.INVOICE: InvoiceArgs(TO, b"invoice"),
    Cmd.WAIVE: WaiveArgs(TO, b"waiver"),
    Cmd.LOG_ASK: LogAskArgs(TO, witness=True),
    Cmd.LOG_DECIDE: LogDecideArgs(TO, witness=False, reason="I move"),
    Cmd.LOG_WITNESS: LogWitnessArgs(TO, 64, (bytes(32),), b"checkpoint", (b"succession",)),
    Cmd.PAIR_OPEN: PairOpenArgs(bytes(16), b"inception", b"cert", "Home", bytes(32)),
    Cmd.PAIR_READ: PairReadArgs(b"bundle", b"inception", b"cert", bytes(32)),
    Cmd.PAIR_DEVICE: PairDeviceArgs(TO, b"cert", ("/ip4/10.0.0.1/tcp/4101",)),
    Cmd.DEVICE_JOIN: PairOpenArgs(bytes(16), b"inception", b"cert", "Laptop", bytes(32)),
    Cmd.DEVICE_HAVE: HaveArgs(TO, "grants"),
    Cmd.DEVICE_LIST: ListArgs(TO, "grants", bytes(16)),
    Cmd.DEVICE_GET: GetArgs(TO, "grants", (bytes(16),), 0),
    Cmd.HELPER_ASK: HelperAskArgs(TO, helps=True),
    Cmd.HELPER_DECIDE: HelperDecideArgs(TO, TO, ("/ip4/10.0.0.1/tcp/4101",), None),
    Cmd.HELPER_KEEP: HelperKeepArgs(TO, ((bytes(32), 9),)),
    Cmd.HELPER_HAVE: HelperHaveArgs(TO, "energy/gas", 1, 65_535, (bytes(16), bytes([1]) * 16)),
    Cmd.HELPER_OVER: HelperOverArgs(TO, CID),
    Cmd.HELPER_RECEIPT: HelperReceiptArgs(TO, b"lease", b"call", b"receipt"),
    Cmd.HELPER_SERVES: HelperServesArgs(TO, b"cert", ("/ip4/10.0.0.1/tcp/4101",), "Ann"),
    Cmd.SUCCEED: spec_devices.succeed_args(),
}


STRANGERS = {Cmd.PAIR_OPEN, Cmd.PAIR_READ, Cmd.DEVICE_JOIN}


def test_every_command_is_in_the_table_once() -> None:
    assert set(ARGS) == set(TABLE) == set(OWN_NAME) | DEVICE | STRANGERS
    assert set(Cmd) == set(TABLE) | {Cmd.READ}


@pytest.mark.parametrize("cmd", ARGS)
def test_args_go_there_and_back_through_bytes(cmd: Cmd) -> None:
    value = ARGS[cmd].value()
    assert set(value) == set(TABLE[cmd].keys)
    assert parse_args(cmd, decode(encode(value))) == ARGS[cmd]


CHANGES = [(cmd, key) for cmd, args in ARGS.items() for key in args.value()]


@pytest.mark.parametrize(("cmd", "key"), CHANGES)
def test_a_field_missing_or_of_another_type_is_refused(cmd: Cmd, key: str) -> None:
    value = ARGS[cmd].value()
    without = {name: found for name, found in value.items() if name != key}
    with pytest.raises(WireError):
        parse_args(cmd, without)
    others: list[Value] = [-1, [None], {"x": 1}]
    if not isinstance(value[key], bool):
        others.append(True)
    for other in others:
        with pytest.raises(ProtocolError):
            parse_args(cmd, {**value, key: other})


@pytest.mark.parametrize("cmd", ARGS)
def test_a_field_too_many_or_a_later_version_is_refused(cmd: Cmd) -> None:
    with pytest.raises(WireError, match="not known"):
        parse_args(cmd, {**ARGS[cmd].value(), "also": 1})
    with pytest.raises(VersionError):
        parse_args(cmd, {**ARGS[cmd].value(), "v": 2})


@pytest.mark.parametrize(
    ("cmd", "changed"),
    [
        (Cmd.DELIVER, {"parts": []}),
        (Cmd.DELIVER, {"parts": [[digest_text(bytes(32)), 0]]}),
        (Cmd.DELIVER, {"parts": [[digest_text(bytes(32)), 1024 * 1024 + 1]]}),
        (Cmd.DELIVER, {"parts": [[bytes(32), 1]]}),
        (Cmd.DELIVER, {"nonce": bytes(11)}),
        (Cmd.DELIVER, {"nonce": bytes(33)}),
        (Cmd.DELIVER, {"statement": CID}),
        (Cmd.ACCEPT, {"grant": cid_text(CID).upper()}),
        (Cmd.ACCEPT, {"to": "did:key:z6Mk"}),
        (Cmd.PAIR_OPEN, {"secret": bytes(15)}),
        (Cmd.PAIR_OPEN, {"name": ""}),
        (Cmd.PAIR_OPEN, {"name": "x" * 257}),
    ],
)
def test_values_out_of_limits_are_refused(cmd: Cmd, changed: dict[str, Value]) -> None:
    with pytest.raises(WireError):
        parse_args(cmd, {**ARGS[cmd].value(), **changed})


def test_a_command_that_is_not_in_the_table_is_refused() -> None:
    for cmd in ("/grant", "/grant/burn", "", Cmd.READ):
        with pytest.raises(CapabilityError) as refused:
            parse_args(cmd, {})
        assert refused.value.code is Code.COMMAND


COUNTED: Mapping[str, Value] = {"invoice": CID, "counted": [[CID, 2, 500]], "paid": 250}


def test_what_a_debtor_counted_comes_back() -> None:
    out = parse_out(Cmd.INVOICE, COUNTED)
    assert isinstance(out, InvoiceOut)
    assert out == InvoiceOut(CID, (Counted(CID, 2, 500),), 250)
    assert out.value() == COUNTED


OUTS: Mapping[Cmd, tuple[list[Value], list[Value]]] = {
    Cmd.DELIVER: (["stored", "held"], ["kept", None, 1]),
    Cmd.PROPOSE: ([CID], ["kept", None, bytes(36), b""]),
    Cmd.ANSWER_RECORD: ([CID], ["kept", None, bytes(36), b""]),
    Cmd.RECALL: ([0, 256], [-1, 257, True, "many", None]),
    Cmd.RETURN: ([CID], ["kept", None, bytes(36), b""]),
    Cmd.ERASED: (["known"], ["kept", None, 1]),
    Cmd.REQUEST: (["queued"], ["stored", None]),
    Cmd.DECIDE: (["kept"], ["queued", b"kept"]),
    Cmd.ACCEPT: ([b"keyset"], ["keyset", None, bytes(300_000)]),
    Cmd.KEYS: ([0, 2**50], [-1, True, "5"]),
    Cmd.DECLINE: (["known"], ["kept", 1]),
    Cmd.STANDING: ([b"", b"rules"], ["rules", None]),
    Cmd.REVOKE: (["known"], ["unknown", []]),
    Cmd.MANDATE_ASK: (["kept"], ["known", None]),
    Cmd.MANDATE_PUT: (["kept"], ["stored", 1]),
    Cmd.MANDATE_END: (["known"], ["kept", {}]),
    Cmd.MANDATE_NOTICE: (["kept"], ["heard", []]),
    Cmd.PAID: ([CID], ["kept", None, bytes(36), b""]),
    Cmd.ACKNOWLEDGE: ([CID], ["kept", None, bytes(36), b""]),
    Cmd.WAIVE: ([CID], ["known", None, bytes(36), b""]),
    Cmd.INVOICE: (
        [],
        [
            None,
            {},
            {**COUNTED, "paid": -1},
            {**COUNTED, "counted": [[CID, 1]]},
            {**COUNTED, "counted": [[CID, 1, 5], [CID, 1, 5]]},
            {**COUNTED, "also": 1},
            {**COUNTED, "counted": [[CID, True, 5]]},
            {**COUNTED, "counted": [[b"x", 1, 5]]},
            {**COUNTED, "counted": [[CID, 1, 5]] * 513},
        ],
    ),
    Cmd.PAIR_DEVICE: (["known"], ["kept", None]),
    Cmd.DEVICE_JOIN: (
        [],
        [
            None,
            {"v": 1, "state": "waiting", "sealed": b"x"},
            {"v": 1, "state": "joined", "sealed": None},
            {"v": 1, "state": "gone", "sealed": None},
        ],
    ),
    Cmd.DEVICE_HAVE: (
        [],
        [
            None,
            {"v": 1, "spaces": [["grants", bytes(15)]], "more": False},
            {"v": 1, "spaces": [["", bytes(16)]], "more": False},
            {"v": 1, "spaces": [], "more": 0},
            {"v": 1, "spaces": [["x", bytes(16)]] * 4_097, "more": False},
        ],
    ),
    Cmd.DEVICE_LIST: ([b"", bytes(16)], [bytes(15), bytes(32), None, b"\1" * 16 + bytes(16)]),
    Cmd.DEVICE_GET: (
        [],
        [None, {"v": 1, "count": -1, "size": 0, "sealed": b""}, {"v": 1, "count": 0, "size": 0}],
    ),
    Cmd.LEND: (["kept"], ["known", None]),
    Cmd.PAIR_READ: (
        [],
        [None, {}, {**SHOWN.value(), "name": "Home"}, {**SHOWN.value(), "k": bytes(31)}],
    ),
    Cmd.PAIR_OPEN: ([], [None, {}, {**ANSWER.value(), "v": 1}, {**ANSWER.value(), "k": b""}]),
}


@pytest.mark.parametrize("cmd", OUTS)
def test_outcomes_have_their_exact_shape(cmd: Cmd) -> None:
    good, bad = OUTS[cmd]
    for out in good:
        assert parse_out(cmd, out) == out
    for out in bad:
        with pytest.raises(WireError):
            parse_out(cmd, out)


def test_the_answer_to_an_invite_goes_there_and_back() -> None:
    assert parse_out(Cmd.PAIR_OPEN, decode(encode(ANSWER.value()))) == ANSWER
    assert parse_out(Cmd.PAIR_READ, decode(encode(SHOWN.value()))) == SHOWN


def test_what_devices_answer_each_other_goes_there_and_back() -> None:
    for cmd, out in (
        (Cmd.DEVICE_JOIN, JoinOut("waiting", None)),
        (Cmd.DEVICE_JOIN, JoinOut("joined", b"sealed")),
        (Cmd.DEVICE_HAVE, HaveOut((("grants", bytes(16)),), more=True)),
        (Cmd.DEVICE_GET, GetOut(0, 300_000, b"sealed")),
    ):
        assert parse_out(cmd, decode(encode(out.value()))) == out


def test_digests_in_text_have_one_form() -> None:
    text = digest_text(bytes(range(32)))
    assert text == multibase.encode(bytes(range(32)), "base32")
    assert digest_from_text(text) == bytes(range(32))
    for other in (
        text.upper(),
        text[:-1],
        text + "a",
        "",
        "z" + text[1:],
        "b" + "1" * 52,
        text[:-1] + "b",
    ):
        with pytest.raises(WireError):
            digest_from_text(other)
