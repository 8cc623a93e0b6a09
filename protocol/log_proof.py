"""Proof files: that one receipt or answer stands in a log, for whoever has nothing but the file.

`["entrenous/1/log-proof", {v, index, leaf_key, k_r, word, certificate, owner, log, path,
checkpoint}]`, not signed itself: everything in it is.

    word         the receipt or answer as it was signed
    certificate  of the device that signed it
    owner        of the device whose log it is, for the persona that it acted as
    log          `{v, device, key}`, signed by that device and by the log's key: this log is its own
    k_r          makes the word's fingerprint:         f    = HMAC(k_r, CID(word))
    leaf_key     makes the leaf out of it:             leaf = SHA-256(00 ‖ HMAC(leaf_key, f))
    path, index  lead from the leaf to a root:         RFC 9162, 2.1.3.2
    checkpoint   the root, signed by the log's key, with the cosignatures of witnesses
    call         only with a receipt that its reader did not sign: the signed call of its read,
                 where it was kept (`read_call.py`); the key is left out where there is none
    delegation   only with a receipt: the grant that the read was under, where it is kept

A certificate is signed by a persona and not by the device, so anybody can certify any device: that
it is this persona for whom the device served follows from `delegation` (the receipt names it, the
persona signed it) or from `call` (the receipt names it, and it names the persona), and from nothing
else.

`k_r` and `leaf_key` belong to this word and this place, so a file opens one leaf.  The hashes of
the path tell its reader nothing about the others, even if it guesses which words they are: each
leaf is under a key of its own.

What such a file cannot show is said where it is checked: that nothing else was read, that the
clocks were right, who the people behind the keys are.

Source: formats.md, "Reading, receipts, log"; docs/adr/0021-witnessed-log.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..crypto.digest import DIGEST_BYTES, hmac_sha256
from ..crypto.keys import KEY_BYTES, DeviceKey, LogSigningKey
from ..crypto.labels import Signed, label
from ..crypto.merkle import SIZE_MAX, leaf_hash, verify_inclusion
from .checkpoint_note import CheckpointNote, parse_checkpoint
from .command import Cmd
from .delegation import Delegation, parse_delegation
from .did import Did, check_did, did_of, public_of
from .errors import WireError
from .helped import is_lease
from .invocation import Invocation
from .limits import (
    CHECKPOINT_BYTES_MAX,
    LOG_PROOF_BYTES_MAX,
    PROOF_HASHES_MAX,
    SIGNED_BYTES_MAX,
)
from .persona import Certificate, parse_certificate
from .read_call import parse_call_of
from .receipt import Answer, Receipt, ReceiptKey, fingerprint, parse_answer, parse_receipt
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value, decode, encode

_KEYS = (
    "v",
    "index",
    "leaf_key",
    "k_r",
    "word",
    "certificate",
    "owner",
    "log",
    "path",
    "checkpoint",
)
_MORE_KEYS = ("call", "delegation")


@dataclass(frozen=True, slots=True)
class LogOwner:
    """The log of the 32-byte key `key` is the one that `device` keeps."""

    device: Did
    key: bytes
    signed: SignedObject


def make_log_owner(device: DeviceKey, log: LogSigningKey) -> LogOwner:
    """Sign, with both keys, that the log of `log` is this device's."""
    body: dict[str, Value] = {"v": VERSION, "device": did_of(device.public), "key": log.public}
    return parse_log_owner(sign(Signed.LOG, body, device, log).raw)


def parse_log_owner(raw: bytes) -> LogOwner:
    """Read whose a log is and verify both signatures.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.LOG, signatures=2)
    body = Body.open(signed.body, "whose a log is", ("v", "device", "key"))
    owner = LogOwner(check_did(body.text("device")), body.data("key", length=KEY_BYTES), signed)
    signed.verify(public_of(owner.device), owner.key)
    return owner


@dataclass(frozen=True, slots=True)
class LogProof:
    """What stands in a proof file, verified: see the module.  `path` leads up from the leaf."""

    index: int
    leaf_key: bytes
    k_r: ReceiptKey
    word: Receipt | Answer
    certificate: Certificate
    owner: Certificate
    log: LogOwner
    path: tuple[bytes, ...]
    checkpoint: CheckpointNote
    call: Invocation | None = None
    delegation: Delegation | None = None

    @property
    def shows_for_whom(self) -> bool:
        """Whether it follows that the device spoke for the persona of its certificate."""
        return self.call is not None or self.delegation is not None

    @property
    def served(self) -> bool:
        """Whether the log is that of the device that signed the word first."""
        return self.certificate.device == self.log.device

    @property
    def raw(self) -> bytes:
        body: dict[str, Value] = {
            "v": VERSION,
            "index": self.index,
            "leaf_key": self.leaf_key,
            "k_r": self.k_r.secret_bytes(),
            "word": self.word.signed.raw,
            "certificate": self.certificate.signed.raw,
            "owner": self.owner.signed.raw,
            "log": self.log.signed.raw,
            "path": list(self.path),
            "checkpoint": self.checkpoint.raw,
        }
        if self.call is not None:
            body["call"] = self.call.raw
        if self.delegation is not None:
            body["delegation"] = self.delegation.raw
        return encode([label(Signed.LOG_PROOF), body])


def parse_log_proof(raw: bytes) -> LogProof:
    """Read a proof file and verify all of it.

    Raises WireError for what is no such file, BadSignature, CapabilityError for a certificate that
    did not hold or a token that is none, BadProof for a word that is not where it is said to stand.
    """
    match decode(raw, bytes_max=LOG_PROOF_BYTES_MAX):
        case [str(name), dict(found)] if name == label(Signed.LOG_PROOF):
            more = [key for key in _MORE_KEYS if key in found]
            body = Body.open(found, "a proof", (*_KEYS, *more))
        case _:
            raise WireError("this is not a proof that `entrenous log prove` has written")
    word = _word(body.data("word", bytes_max=SIGNED_BYTES_MAX))
    proof = LogProof(
        body.integer("index", high=SIZE_MAX),
        body.data("leaf_key", length=KEY_BYTES),
        ReceiptKey(body.data("k_r", length=KEY_BYTES)),
        word,
        parse_certificate(body.data("certificate", bytes_max=SIGNED_BYTES_MAX)),
        parse_certificate(body.data("owner", bytes_max=SIGNED_BYTES_MAX)),
        parse_log_owner(body.data("log", bytes_max=SIGNED_BYTES_MAX)),
        tuple(_hash(one) for one in body.items("path", items_max=PROOF_HASHES_MAX)),
        parse_checkpoint(body.data("checkpoint", bytes_max=CHECKPOINT_BYTES_MAX)),
        _call(body.data("call"), word) if "call" in found else None,
        parse_delegation(body.data("delegation")) if "delegation" in found else None,
    )
    check_log_proof(proof)
    return proof


def check_log_proof(proof: LogProof) -> None:
    """Verify that the parts of a proof belong together.  Raises as `parse_log_proof`."""
    word, head = proof.word, proof.checkpoint.head
    if isinstance(word, Receipt):
        word.verify(proof.certificate)
    else:
        word.verify(proof.certificate, word.inv)
    if proof.owner.device != proof.log.device:
        raise WireError("a proof names a device that is not the one whose log it is about")
    if proof.log.key != head.log:
        raise WireError("a proof holds the checkpoint of another log")
    if proof.served:
        if proof.owner.persona != proof.certificate.persona:
            raise WireError("a proof names another persona than the one that served")
    elif isinstance(word, Receipt) and proof.owner.persona not in _who_may_log(proof, word):
        raise WireError("a proof is from the log of one who neither served nor read")
    if proof.call is not None and proof.call.sub != proof.certificate.persona:
        raise WireError("a call is to another persona than the one whose device served")
    if proof.delegation is not None:
        _check_grant(proof, proof.delegation)
    f = fingerprint(proof.k_r, word.cid)
    leaf = leaf_hash(hmac_sha256(proof.leaf_key, f))
    verify_inclusion(head.size, proof.index, leaf, proof.path, head.root)


def _check_grant(proof: LogProof, grant: Delegation) -> None:
    word = proof.word
    if not isinstance(word, Receipt) or grant.cid != word.body.dlg:
        raise WireError("a proof holds a grant that its word does not name")
    owner = proof.certificate.persona
    if (grant.iss, grant.sub, grant.cmd) != (owner, owner, Cmd.READ):
        raise WireError("a proof holds a grant of another persona than the one that served")


def _who_may_log(proof: LogProof, word: Receipt) -> tuple[Did, ...]:
    """Whose log may hold a receipt, beside that of the device that served: its reader's and, if a
    helper served under a lease, that of whom it served for."""
    helped = (proof.certificate.persona,) if is_lease(proof.certificate) else ()
    return word.body.reader, *helped


def _word(raw: bytes) -> Receipt | Answer:
    """A receipt or an answer, whichever its head says."""
    match decode(raw, bytes_max=SIGNED_BYTES_MAX):
        case [str(name), *_] if name == label(Signed.ANSWER):
            return parse_answer(raw)
        case _:
            return parse_receipt(raw)


def _call(raw: bytes, word: Receipt | Answer) -> Invocation:
    """The call behind a receipt that its reader did not sign."""
    if not isinstance(word, Receipt) or not word.one_sided:
        raise WireError("a call stands beside a receipt that its reader did not sign, and no other")
    return parse_call_of(raw, word.body)


def _hash(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
        raise WireError(f"a hash of a proof has {DIGEST_BYTES} bytes")
    return value
