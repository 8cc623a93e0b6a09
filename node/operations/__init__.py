"""Every operation of a node, by name: what a client may ask for, over the socket or directly."""

from __future__ import annotations

import structlog

from ...crypto.errors import EntrenousError
from ...protocol.wire import Value
from ..errors import NodeError, UsageError
from . import (
    about,
    accounts,
    acting_for,
    audit,
    consent,
    data,
    declaring,
    devices,
    encrypting,
    erasure,
    export,
    health,
    helpers,
    history,
    household,
    identity,
    lending,
    mandate_again,
    meeting_again,
    parcels,
    processing,
    quota,
    reads,
    renewal,
    shared,
    standing_told,
    tellings,
    terms,
    views,
)
from . import log as witnessed_log
from .operation import Args, Emit, Host, Operation, error_value, named, shorts

__all__ = ["OPERATIONS", "Args", "Emit", "Host", "Operation", "error_value", "named", "perform"]
__all__ += ["shorts"]

log = structlog.get_logger()

OPERATIONS: dict[str, Operation] = {
    # the node and its peers
    "status": Operation(about.status),
    "health": Operation(health.health),
    "stop": Operation(about.stop),
    "invite": Operation(about.invite, (), ("label", "people"), needs_network=True),
    "pair": Operation(about.pair, ("link",), ("name", "people"), needs_network=True),
    "peers": Operation(about.peers),
    "meeting_place": Operation(meeting_again.meeting_place, needs_network=True),
    "meet_again": Operation(meeting_again.meet_again, ("link", "peer"), needs_network=True),
    "devices": Operation(devices.devices),
    "device_invite": Operation(devices.device_invite, (), ("serves_within_s",), needs_network=True),
    "device_confirm": Operation(devices.device_confirm, ("code",)),
    "device_change": Operation(devices.device_change, ("device",), ("name", "serves_within_s")),
    "devices_sync": Operation(devices.devices_sync, needs_network=True),
    "quota": Operation(quota.quota, ("peer",)),
    "set_quota": Operation(quota.set_quota, ("peer", "most")),
    # who they are
    "set_card": Operation(identity.set_card, ("card",)),
    "card": Operation(identity.card, (), ("peer",)),
    "well_known": Operation(identity.well_known),
    "standing": Operation(identity.standing, ("peer",), ("wait_ms",)),
    "check_domains": Operation(identity.check_domains, (), ("peer",), needs_network=True),
    "vouch": Operation(identity.vouch, ("peer",), ("to",)),
    "withdraw_vouch": Operation(identity.withdraw_vouch, ("peer",)),
    "vouches": Operation(identity.vouches),
    "acquaintances": Operation(identity.acquaintances),
    "ask_vouches": Operation(identity.ask_vouches, ("peer",), ("of",), needs_network=True),
    # the people of the house, and acting for another
    "people": Operation(household.people),
    "people_add": Operation(household.people_add, ("name",), ("born",)),
    "people_remove": Operation(household.people_remove, ("name",)),
    "people_assign": Operation(household.people_assign, ("path", "people")),
    "mandates": Operation(household.mandates),
    "proxies": Operation(household.proxies),
    "mandate_ask": Operation(household.mandate_ask, ("peer", "at")),
    "mandate_give": Operation(
        household.mandate_give,
        ("peer", "at", "office", "commands", "onward"),
        ("exp_s", "age", "under"),
    ),
    "mandate_give_home": Operation(
        household.mandate_give_home,
        ("peer", "office", "exp_s"),
        ("peers", "purposes", "collections", "until_s"),
    ),
    "lend_on": Operation(acting_for.lend_on, ("peer", "at", "windows", "exp_s")),
    "waiting_for": Operation(acting_for.waiting_for, ("principal", "kept")),
    "decide_for": Operation(
        acting_for.decide_for, ("principal", "request", "grant"), ("windows", "exp_s", "reason")
    ),
    "mandate_end": Operation(household.mandate_end, ("mandate",)),
    "mandate_again": Operation(mandate_again.mandate_again, ("mandate",)),
    # one's own data
    "import": Operation(data.import_, ("path",), ("into", "settings", "people")),
    "preview": Operation(data.preview, ("path",), ("into", "settings", "people")),
    "imports": Operation(data.imports),
    "undo": Operation(data.undo, ("id",)),
    "collections": Operation(data.collections),
    "read": Operation(data.read, ("path", "first", "last"), ("people",)),
    "read_sources": Operation(tellings.read_sources, ("path", "first", "last"), ("people",)),
    # declared data
    "add": Operation(declaring.add, ("path", "schema", "columns", "count")),
    "remove": Operation(declaring.remove, ("path",), ("id", "t_ms")),
    "allow": Operation(
        declaring.allow,
        ("name", "path", "program", "exp_s", "per_minute"),
        ("schema",),
        needs_network=True,
    ),
    "allowed": Operation(declaring.allowed),
    "disallow": Operation(declaring.disallow, ("name",)),
    # out of hand
    "export": Operation(export.export, ("path", "csv"), ("paths", "first", "last")),
    # views
    "views": Operation(views.views),
    "view_add": Operation(
        views.view_add,
        ("view", "source", "bands", "fields"),
        ("name", "figure", "rule", "late_days", "again_days"),
    ),
    "view_remove": Operation(views.view_remove, ("path",)),
    "view_release": Operation(views.view_release, ("path", "first")),
    "choices": Operation(views.choices, ("request",)),
    "erase": Operation(erasure.erase, ("path",), ("id", "t_ms")),
    "erased": Operation(erasure.erased),
    "lift_erased": Operation(erasure.lift, ("path",)),
    "encrypt_again": Operation(encrypting.encrypt_again, ()),
    "take_leave": Operation(erasure.leave, ("wait_s",)),
    # handing back
    "deliver": Operation(data.deliver, ("path", "to"), ("into", "wait_s")),
    "deliveries": Operation(data.deliveries),
    # grants
    "ask": Operation(
        lending.ask,
        ("to", "items", "purpose", "terms", "exp_s"),
        ("refusal", "acting_for", "processors"),
    ),
    "processing": Operation(processing.processing),
    "processing_add": Operation(processing.processing_add, ("peer",)),
    "processing_remove": Operation(processing.processing_remove, ("peer",)),
    "inbox": Operation(lending.inbox),
    "asked": Operation(lending.asked),
    "decide": Operation(
        lending.decide,
        ("request", "grant"),
        (
            "windows",
            "exp_s",
            "reason",
            "acting_for",
            "others",
            "retention_days",
            "recipients",
            "clauses",
        ),
    ),
    "fetch": Operation(
        lending.fetch,
        ("from", "collection", "first", "last"),
        ("acting_for",),
        needs_network=True,
    ),
    "fetch_by_file": Operation(reads.fetch_by_file, ("from", "collection", "first", "last")),
    "kept": Operation(reads.kept, ("from", "collection", "first", "last")),
    "grants": Operation(lending.grants, (), ("at_ms",)),
    "who": Operation(history.who, ("path",)),
    "history": Operation(history.history, ("peer",)),
    "revoke": Operation(lending.revoke, (), ("grant", "peer")),
    "renew": Operation(renewal.renew, ("grant",), ("exp_s", "each_s", "never")),
    "keep": Operation(lending.keep, ("grant",)),
    "delegate": Operation(lending.delegate, ("to_did", "grant", "windows", "terms", "exp_s")),
    "invoke": Operation(
        lending.invoke, ("peer",), ("cmd", "args", "proofs", "token"), needs_network=True
    ),
    # money
    "accounts": Operation(accounts.accounts, (), ("peer",)),
    "account_lines": Operation(accounts.account_lines, (), ("peer",)),
    "account_paid": Operation(accounts.account_paid, ("peer", "amount", "currency"), ("note",)),
    "account_answer": Operation(accounts.account_answer, ("payment", "confirm"), ("reason",)),
    "invoice": Operation(accounts.invoice, ("peer", "currency", "iban")),
    "transfer": Operation(accounts.transfer, ("peer",), ("amount",)),
    "creditor": Operation(accounts.creditor),
    "set_creditor": Operation(accounts.set_creditor, (), ("name", "iban")),
    "paid_terms": Operation(accounts.paid_terms),
    "set_paid_terms": Operation(accounts.set_paid_terms, ("on",)),
    # shared records
    "shared": Operation(shared.shared, (), ("peer", "path")),
    "shared_show": Operation(shared.shared_show, ("shared",)),
    "shared_history": Operation(shared.shared_history, ("shared",)),
    "shared_propose": Operation(
        shared.shared_propose,
        ("peer", "path", "changes", "gone"),
        ("id", "t_ms", "whole", "schema", "reason"),
    ),
    "shared_answer": Operation(shared.shared_answer, ("shared", "accept"), ("reason", "version")),
    "shared_withdraw": Operation(shared.shared_withdraw, ("shared",), ("reason",)),
    "shared_prove": Operation(shared.shared_prove, ("shared", "whole")),
    # terms
    "terms": Operation(terms.terms_show, ("id",), ("language",)),
    "frugality": Operation(terms.frugality, ("peer",)),
    "accept_offer": Operation(terms.accept_offer, ("request",)),
    "decline_offer": Operation(terms.decline_offer, ("request",), ("reason",)),
    "standing_terms": Operation(terms.standing_terms),
    "set_standing_terms": Operation(terms.set_standing_terms, ("terms",)),
    "check_standing_terms": Operation(terms.check_standing_terms, ("request",)),
    "ask_standing_terms": Operation(
        standing_told.ask_standing_terms, ("peer",), needs_network=True
    ),
    "standing_told": Operation(standing_told.standing_told, ("peer",)),
    # without a network
    "outbox": Operation(parcels.outbox, (), ("peer",)),
    "outbox_again": Operation(parcels.outbox_again, ("peer",)),
    "write_parcel": Operation(parcels.write_parcel, ("peer", "path")),
    "take": Operation(parcels.take, ("path",)),
    # the log
    "log": Operation(audit.log),
    "log_verify": Operation(audit.log_verify),
    "log_checkpoint": Operation(witnessed_log.log_checkpoint, ("publish",)),
    "log_prove": Operation(witnessed_log.log_prove, ("word",)),
    "log_forks": Operation(witnessed_log.log_forks),
    "consent": Operation(consent.consent, ("grant",)),
    "helpers": Operation(helpers.helpers),
    "helper_add": Operation(helpers.helper_add, ("peer", "readers")),
    "helper_remove": Operation(helpers.helper_remove, ("peer",)),
    "helper_allow": Operation(helpers.helper_allow, ("peer",), needs_network=True),
    "helper_refuse": Operation(helpers.helper_refuse, ("peer",), ("reason",)),
    "witnesses": Operation(witnessed_log.witnesses),
    "witness_add": Operation(witnessed_log.witness_add, ("peer",)),
    "witness_remove": Operation(witnessed_log.witness_remove, ("peer",)),
    "witness_allow": Operation(witnessed_log.witness_allow, ("peer",)),
    "witness_refuse": Operation(witnessed_log.witness_refuse, ("peer",), ("reason",)),
    "backup": Operation(audit.backup, ("path",)),
}


async def perform(host: Host, op: str, args: Value, emit: Emit) -> Value:
    """Do one operation.  Raises EntrenousError; what else goes wrong is logged and is NodeError."""
    operation = OPERATIONS.get(op)
    if operation is None:
        raise UsageError("this node knows no such operation: its program may be older than yours")
    opened = Args.open(op, args, operation.required, operation.optional)
    if operation.needs_network and not host.running:
        raise NodeError("this needs a running node: start it with `entrenous up`")
    try:
        return await operation.run(host, opened, emit)
    except EntrenousError:
        raise
    except Exception as error:
        # A fault of ours must end one operation and be found in the log, not end the node.
        log.exception("operation_failed", op=op)
        raise NodeError(f"the node failed at {op}; its log says where") from error
