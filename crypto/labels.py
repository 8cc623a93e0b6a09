"""Every label that separates one use of a key or signature from another, in one table.

A label is never reused for a second purpose and never redefined: a change of meaning is a new
label.  `docs/spec.md` prints this table; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum

PREFIX = "entrenous/1/"


class Derive(StrEnum):
    """First element of the list hashed by `digest.kdf` (after `PREFIX`)."""

    COLLECTION = "collection"
    DAYS = "days"
    PAGE = "page"
    NEXT = "next"
    NEXT_AFTER = "next-after"
    NEXT_READER = "next-reader"
    NEXT_HALF = "next-half"
    GIVEN_AGAIN = "given-again"
    BACKUP = "backup"
    PAIR = "pair"
    PAIR_NEXT = "pair-next"
    PAIR_READ = "pair-read"
    RECEIPT = "receipt"
    LOG_LEAF = "leaf"
    KEY_FILE = "key-file"
    PARCEL_KEY = "parcel-key"
    VOUCH_ASK = "vouch-ask"
    OWN_DEVICES = "own-devices"
    DEVICE_CODE = "device-code"
    TOMBSTONES = "tombstones"


class Tag(StrEnum):
    """Labels inside keyed or unkeyed digests, HPKE info and associated data."""

    GENERATION = "generation"
    STORE_TAG = "tag"
    PAGE = "page"
    DELIVERY = "delivery"
    KEYS = "keys"
    DAY_STEP = "day"
    AT_REST = "at-rest"
    KEYSTORE = "keystore"
    RECORD_ID = "record-id"
    IMPORT = "import"
    BACKUP_FILE = "backup-file"
    PARCEL_FILE = "parcel-file"
    DEVICE_JOIN = "device-join"
    DEVICE_ROWS = "device-rows"
    TOMBSTONE = "tombstone"
    LENT_ON_AGAIN = "lent-on-again"


class Signed(StrEnum):
    """The type of a signed object: `["entrenous/1/<type>", body, sig…]`."""

    INCEPTION = "inception"
    SUCCESSION = "succession"
    READER_KEY = "reader-key"
    CERTIFICATE = "certificate"
    STATEMENT = "statement"
    OWNER = "owner"
    SEGMENT = "segment"
    BUNDLE = "bundle"
    KEYSET = "keyset"
    REVOCATION = "revocation"
    ROTATION = "rotation"
    RECEIPT = "receipt"
    ANSWER = "answer"
    TERMS = "terms"
    PARCEL = "parcel"
    CARD = "card"
    VOUCH = "vouch"
    PROXY = "proxy"
    MANDATE = "mandate"
    MANDATE_END = "mandate-end"
    PAYMENT = "payment"
    PAYMENT_WORD = "payment-word"
    INVOICE = "invoice"
    WAIVER = "waiver"
    SHARED_VERSION = "shared-version"
    SHARED_PROOF = "shared-proof"
    LOG = "log"
    LOG_PROOF = "log-proof"
    LOG_SUCCESSION = "log-succession"
    DELETION = "deletion"


def label(name: Derive | Tag | Signed) -> str:
    """The full text of a label, as it stands in hashed and signed bytes."""
    return PREFIX + name.value
