"""Commands: the table of what one node may ask of another, with the shape of each question.

Everything that crosses the network is an invocation of a command, answered by a receipt or an
answer.  A new feature is a new row here with its handler, never a new kind of message.

There are two sorts.  `/record/read` is *on another's data*: its authority is a chain of
delegations.  All others are *said in one's own name*: `iss = sub` is the sender's persona, `to`
the recipient's, and what allows them is that the two are paired and that the recipient has not
withdrawn the command.  What a stranger says is the exception: the authority of `/pair/open`, which
makes a pair, is the secret of an invite; that of `/pair/read` a chain under a grant.

In `args`, CIDs and digests are base32 text (formats.md, "Conventions"); the dataclasses here hold
bytes.  They stand by subject in `command_…`; the table of them is here.

Source: formats.md, "Commands", "Pairing", "Grant".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from . import (
    command_account,
    command_after,
    command_device,
    command_grant,
    command_help,
    command_lend,
    command_log,
    command_mandate,
    command_pair,
    command_persona,
    command_record,
    command_shared,
    command_standing,
)
from .command_account import AcknowledgeArgs, InvoiceArgs, InvoiceOut, PaidArgs, WaiveArgs
from .command_after import DeleteArgs, DeletedArgs, RenewArgs
from .command_device import (
    GetArgs,
    GetOut,
    HaveArgs,
    HaveOut,
    JoinOut,
    ListArgs,
    PairDeviceArgs,
)
from .command_grant import (
    AcceptArgs,
    DecideArgs,
    DeclineArgs,
    KeysArgs,
    RequestArgs,
    RevokeArgs,
    StandingArgs,
)
from .command_help import (
    HelperAskArgs,
    HelperDecideArgs,
    HelperHaveArgs,
    HelperKeepArgs,
    HelperOverArgs,
    HelperReceiptArgs,
    HelperServesArgs,
)
from .command_lend import LendArgs, PairReadArgs, PairReadOut
from .command_log import LogAskArgs, LogDecideArgs, LogWitnessArgs, WitnessOut
from .command_mandate import (
    MandateAskArgs,
    MandateDecideArgs,
    MandateEndArgs,
    MandateInboxArgs,
    MandateLendArgs,
    MandateNoticeArgs,
    MandateOutcomeArgs,
    MandatePutArgs,
    WaitingOut,
    WaitingRequest,
)
from .command_pair import SECRET_BYTES, PairAnswer, PairOpenArgs
from .command_parts import digest_from_text, digest_text, one_of
from .command_persona import SucceedArgs
from .command_record import DeliverArgs
from .command_shared import (
    AnswerRecordArgs,
    ErasedArgs,
    ProposeArgs,
    RecallArgs,
    ReturnArgs,
)
from .command_standing import CardPutArgs, VouchAskArgs
from .errors import CapabilityError, Code
from .wire import Body, Value

__all__ = [
    "DEVICE",
    "OWN_DEVICES",
    "OWN_NAME",
    "SECRET_BYTES",
    "TABLE",
    "AcceptArgs",
    "AcknowledgeArgs",
    "AnswerRecordArgs",
    "CardPutArgs",
    "Cmd",
    "DecideArgs",
    "DeclineArgs",
    "DeleteArgs",
    "DeletedArgs",
    "DeliverArgs",
    "ErasedArgs",
    "GetArgs",
    "GetOut",
    "HaveArgs",
    "HaveOut",
    "HelperAskArgs",
    "HelperDecideArgs",
    "HelperHaveArgs",
    "HelperKeepArgs",
    "HelperOverArgs",
    "HelperReceiptArgs",
    "HelperServesArgs",
    "InvoiceArgs",
    "InvoiceOut",
    "JoinOut",
    "KeysArgs",
    "LendArgs",
    "ListArgs",
    "LogAskArgs",
    "LogDecideArgs",
    "LogWitnessArgs",
    "MandateAskArgs",
    "MandateDecideArgs",
    "MandateEndArgs",
    "MandateInboxArgs",
    "MandateLendArgs",
    "MandateNoticeArgs",
    "MandateOutcomeArgs",
    "MandatePutArgs",
    "Outcome",
    "OwnArgs",
    "PaidArgs",
    "PairAnswer",
    "PairDeviceArgs",
    "PairOpenArgs",
    "PairReadArgs",
    "PairReadOut",
    "ProposeArgs",
    "RecallArgs",
    "RenewArgs",
    "RequestArgs",
    "ReturnArgs",
    "RevokeArgs",
    "Row",
    "StandingArgs",
    "StrangerArgs",
    "SucceedArgs",
    "VouchAskArgs",
    "WaitingOut",
    "WaitingRequest",
    "WaiveArgs",
    "WitnessOut",
    "digest_from_text",
    "digest_text",
    "parse_args",
    "parse_out",
]


class Cmd(StrEnum):
    """Every command of this version."""

    READ = "/record/read"
    DELIVER = "/record/deliver"
    PROPOSE = "/record/propose"
    ANSWER_RECORD = "/record/answer"
    RECALL = "/record/recall"
    RETURN = "/record/return"
    ERASED = "/record/erased"
    REQUEST = "/grant/request"
    DECIDE = "/grant/decide"
    ACCEPT = "/grant/accept"
    DECLINE = "/grant/decline"
    STANDING = "/grant/standing"
    KEYS = "/grant/keys"
    REVOKE = "/grant/revoke"
    RENEW = "/grant/renew"
    DELETE = "/grant/delete"
    DELETED = "/grant/deleted"
    LEND = "/grant/lend"
    CARD_PUT = "/card/put"
    VOUCH_ASK = "/vouch/ask"
    MANDATE_ASK = "/mandate/ask"
    MANDATE_PUT = "/mandate/put"
    MANDATE_END = "/mandate/end"
    MANDATE_NOTICE = "/mandate/notice"
    MANDATE_OUTCOME = "/mandate/outcome"
    MANDATE_INBOX = "/mandate/inbox"
    MANDATE_DECIDE = "/mandate/decide"
    MANDATE_LEND = "/mandate/lend"
    LOG_ASK = "/log/ask"
    LOG_DECIDE = "/log/decide"
    LOG_WITNESS = "/log/witness"
    PAID = "/account/paid"
    ACKNOWLEDGE = "/account/acknowledge"
    INVOICE = "/account/invoice"
    WAIVE = "/account/waive"
    HELPER_ASK = "/helper/ask"
    HELPER_DECIDE = "/helper/decide"
    HELPER_KEEP = "/helper/keep"
    HELPER_HAVE = "/helper/have"
    HELPER_OVER = "/helper/over"
    HELPER_RECEIPT = "/helper/receipt"
    HELPER_SERVES = "/helper/serves"
    SUCCEED = "/persona/succeed"
    PAIR_OPEN = "/pair/open"
    PAIR_READ = "/pair/read"
    PAIR_DEVICE = "/pair/device"
    DEVICE_JOIN = "/device/join"
    DEVICE_HAVE = "/device/have"
    DEVICE_LIST = "/device/list"
    DEVICE_GET = "/device/get"


# What a new pair may say to us in its own name until the owner withdraws a command.
OWN_NAME = frozenset(
    (
        Cmd.DELIVER,
        Cmd.PROPOSE,
        Cmd.ANSWER_RECORD,
        Cmd.RECALL,
        Cmd.RETURN,
        Cmd.ERASED,
        Cmd.REQUEST,
        Cmd.DECIDE,
        Cmd.ACCEPT,
        Cmd.DECLINE,
        Cmd.STANDING,
        Cmd.KEYS,
        Cmd.REVOKE,
        Cmd.RENEW,
        Cmd.DELETE,
        Cmd.DELETED,
        Cmd.LEND,
        Cmd.CARD_PUT,
        Cmd.VOUCH_ASK,
        Cmd.MANDATE_ASK,
        Cmd.MANDATE_PUT,
        Cmd.MANDATE_END,
        Cmd.MANDATE_NOTICE,
        Cmd.MANDATE_OUTCOME,
        Cmd.MANDATE_INBOX,
        Cmd.MANDATE_DECIDE,
        Cmd.MANDATE_LEND,
        Cmd.LOG_ASK,
        Cmd.LOG_DECIDE,
        Cmd.LOG_WITNESS,
        Cmd.PAID,
        Cmd.ACKNOWLEDGE,
        Cmd.INVOICE,
        Cmd.WAIVE,
        Cmd.HELPER_ASK,
        Cmd.HELPER_DECIDE,
        Cmd.HELPER_KEEP,
        Cmd.HELPER_HAVE,
        Cmd.HELPER_OVER,
        Cmd.HELPER_RECEIPT,
        Cmd.HELPER_SERVES,
        Cmd.PAIR_DEVICE,
        Cmd.SUCCEED,
    )
)

# What another device of the same person may say, and nobody else; and what besides it may say.
DEVICE = frozenset((Cmd.DEVICE_HAVE, Cmd.DEVICE_LIST, Cmd.DEVICE_GET))
OWN_DEVICES = DEVICE | {Cmd.LOG_WITNESS}

OwnArgs: TypeAlias = (
    DeliverArgs
    | ProposeArgs
    | AnswerRecordArgs
    | RecallArgs
    | ReturnArgs
    | ErasedArgs
    | RequestArgs
    | DecideArgs
    | AcceptArgs
    | DeclineArgs
    | StandingArgs
    | KeysArgs
    | RevokeArgs
    | RenewArgs
    | DeleteArgs
    | DeletedArgs
    | LendArgs
    | CardPutArgs
    | VouchAskArgs
    | MandateAskArgs
    | MandatePutArgs
    | MandateEndArgs
    | MandateNoticeArgs
    | MandateOutcomeArgs
    | MandateInboxArgs
    | MandateDecideArgs
    | MandateLendArgs
    | LogAskArgs
    | LogDecideArgs
    | LogWitnessArgs
    | PaidArgs
    | AcknowledgeArgs
    | InvoiceArgs
    | WaiveArgs
    | HelperAskArgs
    | HelperDecideArgs
    | HelperHaveArgs
    | HelperKeepArgs
    | HelperOverArgs
    | HelperReceiptArgs
    | HelperServesArgs
    | PairDeviceArgs
    | HaveArgs
    | ListArgs
    | GetArgs
    | SucceedArgs
)
# What a stranger says.
StrangerArgs: TypeAlias = PairOpenArgs | PairReadArgs
DeviceOut: TypeAlias = JoinOut | HaveOut | GetOut
Outcome: TypeAlias = (
    str | int | bytes | PairAnswer | PairReadOut | WaitingOut | WitnessOut | InvoiceOut | DeviceOut
)


@dataclass(frozen=True, slots=True)
class Row:
    """One command: the exact keys of `args`, how to read them, how to read `out`.

    Both readers raise WireError for any other shape.
    """

    keys: tuple[str, ...]
    parse: Callable[[Body], OwnArgs | StrangerArgs]
    out: Callable[[Value], Outcome]


TABLE: Mapping[str, Row] = {
    Cmd.DELIVER: Row(
        ("v", "to", "nonce", "statement", "parts"),
        command_record.deliver_args,
        one_of("stored", "held"),
    ),
    Cmd.PROPOSE: Row(
        ("v", "to", "version", "told"), command_shared.propose_args, command_account.word_out
    ),
    Cmd.ANSWER_RECORD: Row(
        ("v", "to", "version"), command_shared.answer_args, command_account.word_out
    ),
    Cmd.RECALL: Row(
        ("v", "to", "path", "schema", "id", "mine", "theirs"),
        command_shared.recall_args,
        command_shared.recalled_out,
    ),
    Cmd.RETURN: Row(
        ("v", "to", "version", "told"), command_shared.return_args, command_account.word_out
    ),
    Cmd.ERASED: Row(
        ("v", "to", "path", "schema", "id"), command_shared.erased_args, one_of("known")
    ),
    Cmd.REQUEST: Row(("v", "to", "request"), command_grant.request_args, one_of("queued")),
    Cmd.DECIDE: Row(
        ("v", "to", "request", "bundle", "reason"), command_grant.decide_args, one_of("kept")
    ),
    Cmd.ACCEPT: Row(
        ("v", "to", "grant", "terms"), command_grant.accept_args, command_grant.keyset_out
    ),
    Cmd.DECLINE: Row(("v", "to", "grant", "reason"), command_grant.decline_args, one_of("known")),
    Cmd.STANDING: Row(("v", "to"), command_grant.standing_args, command_grant.standing_out),
    Cmd.KEYS: Row(("v", "to", "keyset"), command_grant.keys_args, command_grant.n_out),
    Cmd.REVOKE: Row(("v", "to", "revocation"), command_grant.revoke_args, one_of("known")),
    Cmd.RENEW: Row(("v", "to", "grant", "bundle"), command_after.renew_args, one_of("kept")),
    Cmd.DELETE: Row(
        ("v", "to", "grant", "windows", "erased"), command_after.delete_args, one_of("noted")
    ),
    Cmd.DELETED: Row(("v", "to", "deletion"), command_after.deleted_args, one_of("known")),
    Cmd.LEND: Row(
        ("v", "to", "bundle", "inception", "cert", "addresses"),
        command_lend.lend_args,
        one_of("kept"),
    ),
    Cmd.CARD_PUT: Row(
        ("v", "to", "card"), command_standing.card_put_args, command_standing.card_out
    ),
    Cmd.VOUCH_ASK: Row(
        ("v", "to", "nonce", "about"), command_standing.vouch_ask_args, command_standing.vouch_out
    ),
    Cmd.MANDATE_ASK: Row(("v", "to", "proxy"), command_mandate.ask_args, one_of("kept")),
    Cmd.MANDATE_PUT: Row(("v", "to", "mandates"), command_mandate.put_args, one_of("kept")),
    Cmd.MANDATE_END: Row(("v", "to", "end"), command_mandate.end_args, one_of("known")),
    Cmd.MANDATE_NOTICE: Row(
        ("v", "to", "inv", "answer"), command_mandate.notice_args, one_of("kept")
    ),
    Cmd.MANDATE_OUTCOME: Row(
        ("v", "to", "request", "granted", "reason"), command_mandate.outcome_args, one_of("known")
    ),
    Cmd.MANDATE_INBOX: Row(
        ("v", "to", "after"), command_mandate.inbox_args, command_mandate.waiting_out
    ),
    Cmd.MANDATE_DECIDE: Row(
        ("v", "to", "request", "peer", "purpose", "items", "exp", "reason"),
        command_mandate.decide_args,
        command_mandate.decided_out,
    ),
    Cmd.MANDATE_LEND: Row(("v", "to", "bundle"), command_mandate.lend_args, one_of("kept")),
    Cmd.LOG_ASK: Row(("v", "to", "witness"), command_log.ask_args, one_of("queued", "ended")),
    Cmd.LOG_DECIDE: Row(("v", "to", "witness", "reason"), command_log.decide_args, one_of("known")),
    Cmd.LOG_WITNESS: Row(
        ("v", "to", "old", "proof", "checkpoint", "successions"),
        command_log.witness_args,
        command_log.witness_out,
    ),
    Cmd.PAID: Row(("v", "to", "payment"), command_account.paid_args, command_account.word_out),
    Cmd.ACKNOWLEDGE: Row(
        ("v", "to", "word"), command_account.acknowledge_args, command_account.word_out
    ),
    Cmd.INVOICE: Row(
        ("v", "to", "invoice"), command_account.invoice_args, command_account.invoice_out
    ),
    Cmd.WAIVE: Row(("v", "to", "waiver"), command_account.waive_args, command_account.word_out),
    Cmd.HELPER_ASK: Row(("v", "to", "helps"), command_help.ask_args, one_of("queued", "ended")),
    Cmd.HELPER_DECIDE: Row(
        ("v", "to", "device", "addresses", "reason"), command_help.decide_args, one_of("known")
    ),
    Cmd.HELPER_KEEP: Row(("v", "to", "parts"), command_help.keep_args, command_help.state_out),
    Cmd.HELPER_HAVE: Row(
        ("v", "to", "path", "from", "until", "ids"),
        command_help.have_args,
        command_help.lacking_out,
    ),
    Cmd.HELPER_OVER: Row(("v", "to", "grant"), command_help.over_args, one_of("known")),
    Cmd.HELPER_RECEIPT: Row(
        ("v", "to", "lease", "call", "receipt"), command_help.receipt_args, one_of("known")
    ),
    Cmd.HELPER_SERVES: Row(
        ("v", "to", "cert", "addresses", "name"), command_help.serves_args, one_of("known")
    ),
    Cmd.SUCCEED: Row(("v", "to", "steps", "cert"), command_persona.succeed_args, one_of("known")),
    Cmd.PAIR_OPEN: Row(
        ("v", "secret", *command_pair.INTRODUCTION), command_pair.open_args, command_pair.answer_out
    ),
    Cmd.PAIR_READ: Row(
        ("v", "bundle", *command_lend.READING), command_lend.read_args, command_lend.read_out
    ),
    Cmd.PAIR_DEVICE: Row(
        ("v", "to", "cert", "addresses"), command_device.pair_device_args, one_of("known")
    ),
    Cmd.DEVICE_JOIN: Row(
        ("v", "secret", *command_pair.INTRODUCTION), command_pair.open_args, command_device.join_out
    ),
    Cmd.DEVICE_HAVE: Row(
        ("v", "to", "after", "same"), command_device.have_args, command_device.have_out
    ),
    Cmd.DEVICE_LIST: Row(
        ("v", "to", "space", "after"), command_device.list_args, command_device.ids_out
    ),
    Cmd.DEVICE_GET: Row(
        ("v", "to", "space", "ids", "offset"), command_device.get_args, command_device.get_out
    ),
}


def parse_args(cmd: str, args: Value) -> OwnArgs | StrangerArgs:
    """The typed arguments of a command said in one's own name, or by a stranger.

    Raises CapabilityError(command) for a command that is not in the table, WireError for
    arguments of another shape, BadSignature for a signed object in them that does not verify.
    The arguments of a read are `grant.parse_read_args`.
    """
    row = TABLE.get(cmd)
    if row is None:
        raise CapabilityError(f"the command {cmd[:64]} is not known here", Code.COMMAND)
    return row.parse(Body.open(args, f"{cmd} args", row.keys))


def parse_out(cmd: str, out: Value) -> Outcome:
    """The typed outcome of an `ok` answer to a command of the table.  Raises WireError."""
    row = TABLE.get(cmd)
    if row is None:
        raise CapabilityError(f"the command {cmd[:64]} is not known here", Code.COMMAND)
    return row.out(out)
