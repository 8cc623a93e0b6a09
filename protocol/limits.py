"""Every limit, with its reason.  What passes one is refused before memory is taken.

A limit that comes with the formats (`formats.md`) is part of the protocol: both sides hold it.
"""

from __future__ import annotations

# --- wire -----------------------------------------------------------------------------------------
# A frame is one window of pages or one part of a delivery (1 MiB) and room for its envelope.
FRAME_BYTES_MAX = 1024 * 1024 + 128 * 1024
# Nothing in the formats nests deeper than a policy (9) inside a token inside a frame.
DEPTH_MAX = 32
# Elements of all lists and maps of one value: an offer with 1 MiB of one-bucket pages names 1,024
# entries of 14 fields; five times that.
ITEMS_MAX = 80_000
# DAG-CBOR integers are 64 bits; signed so that every language can hold them.
INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
# Names, purposes, labels of devices: a line of text.
LINE_CHARS_MAX = 256
# Free text shown to a person: reasons, clauses.
TEXT_CHARS_MAX = 4_096
# did:key of an Ed25519 key has 56 characters; other methods are refused by form.
DID_CHARS_MAX = 128
# A signed object that is not a delivery or an offer.
SIGNED_BYTES_MAX = 256 * 1024

# --- personas, grants, receipts -------------------------------------------------------------------
# A certificate that lives longer would outlive the removal of its device (formats.md, Identity).
CERTIFICATE_S_MAX = 30 * 86_400
# Two clocks that were set by hand differ by this much; more is a fault to be told, not tolerated.
CLOCK_SKEW_S_MAX = 60
# Every command there is, four times over.
COMMANDS_MAX = 64
# An invocation on an open stream is used at once; a longer life only widens the replay cache.
INVOCATION_AHEAD_S_MAX = 300
# What this program signs: a minute for a slow link, a minute for the clocks.
INVOCATION_LIFE_S = 120
# A window is dated as it is signed, and may be long on its way over a slow link.
WINDOW_CLOCK_S_MAX = 900
# A spent invocation is remembered until it expired on any clock within the skew.
REPLAY_KEPT_S = 60
# A succession or an inception is three short fields and a signature.
SUCCESSION_BYTES_MAX = 1_024
# Personas of one line, one after the other: devices that one person has lost.
SUCCESSIONS_MAX = 16
# Windows of one grant.  A person decides on each: more than this is not a choice any more.
WINDOWS_MAX = 64
# A parent's mandate ends when the child is of age.
MANDATE_S_MAX = 20 * 366 * 86_400
# Mandates that one organisation keeps of one principal, ended ones included: more is a flood.
MANDATES_OF_ONE_MAX = 64
# A mandate passed on, and passed on again: further, nobody knows who acts for whom.
MANDATE_CHAIN_MAX = 3
# Peers, purposes or collections that one mandate names: more is not a choice any more.
MANDATE_LIMITS_MAX = 32
# Requests of one answer to a proxy, in bytes: half of what a signed object may have.
MANDATE_INBOX_BYTES_MAX = 128 * 1024
# Parts of one grant that its reader may lend on to proxies, ended ones included.
LENT_ON_MAX = 16
# Chains of one processor that hold at one owner: a person's few, an organisation's many readers.
READING_CHAINS_MAX = 256
# Grants that one organisation may lend on to one processor: its customers, each a few times over.
LENT_ON_HERE_MAX = 1_000_000
# The call of a read: a chain of eight with their terms, a purpose, a path, have about 2 KiB.  It is
# kept, for each read that its reader never signs for.
READ_CALL_BYTES_MAX = 8 * 1024
# What is said under a mandate is told to its principal whole, inside another token.
ACTED_BYTES_MAX = 48 * 1024
CLAUSES_MAX = 64
RECIPIENTS_MAX = 64
# A century: longer is for ever, and for ever is not a retention.
RETENTION_DAYS_MAX = 36_525
TERMS_BYTES_MAX = 32 * 1024
# 999 999 999.99: what one SEPA credit transfer may be (EPC069-12); sums stay far from 64 bits.
AMOUNT_MINOR_MAX = 99_999_999_999
# What a bank carries with a transfer (EPC069-12): a note on a payment is no letter.
PAYMENT_NOTE_CHARS_MAX = 140
# The creditor's name on a transfer (EPC069-12).
CREDITOR_CHARS_MAX = 70
# A payment, or a word on one: two DIDs, an amount, 140 characters of up to four bytes.
PAYMENT_BYTES_MAX = 2 * 1024
# Grants of one invoice or waiver: one a month, for forty years.
ACCOUNT_GRANTS_MAX = 512
ACCOUNT_BYTES_MAX = 32 * 1024
# One shared record: a contact with notes; a version of it, and what shows how it was delivered, go
# into one invocation together.
SHARED_RECORD_BYTES_MAX = 16 * 1024
# Two DIDs, a name, a reason of 1,000 characters of up to four bytes, beside the record.
SHARED_VERSION_BYTES_MAX = SHARED_RECORD_BYTES_MAX + 6 * 1024
# A statement, two paths of hashes, beside the record.
SHARED_TOLD_BYTES_MAX = SHARED_RECORD_BYTES_MAX + 10 * 1024
# Why one proposes or disputes: some sentences.
SHARED_REASON_CHARS_MAX = 1_000
# Versions of one side: who has changed one record this often is not corrected but pestered.
SHARED_VERSIONS_MAX = 128
# Both whole histories.
SHARED_PROOF_BYTES_MAX = 8 * 1024 * 1024
# Rules of somebody's standing terms, and names in one list of a rule: they are read from the top,
# and who writes more does not know any more which of them decides.
STANDING_RULES_MAX = 64
STANDING_ITEMS_MAX = 64
STANDING_BYTES_MAX = 64 * 1024
REQUEST_BYTES_MAX = 64 * 1024
# Sets of one keyset: (path, epoch, generation); four live generations a path, and room for epochs.
KEYSET_SETS_MAX = 512
# Nodes of one set: 30 for the cover of each of its windows.
KEYSET_NODES_MAX = 1_920
KEYSET_BYTES_MAX = SIGNED_BYTES_MAX
# What hostile peers, all together, may make a node hold above what it holds at rest.  Four
# deliveries may arrive (a quarter of it), one at a time is opened, which takes about five times its
# size while columns and pages of it are there at once; windows, frames and streams take the rest.
HOSTILE_BYTES_MAX = 768 * 1024 * 1024
# Parts of a delivery, 1 MiB each: ten years of minutes.
DELIVERY_PARTS_MAX = 4_096
PART_BYTES_MAX = 1024 * 1024
# One window of pages (formats.md, Reading).
WINDOW_BYTES_MAX = 1024 * 1024
# The smallest page is about 1 KiB: no window holds more of them.
WINDOW_PAGES_MAX = 1_024
# A read of a century at 32 windows a day.
WINDOW_NUMBER_MAX = 1_200_000
# A link must fit a QR code that a telephone reads from a screen.
LINK_CHARS_MAX = 2_048
ADDRESSES_MAX = 16
ADDRESS_CHARS_MAX = 256
# A one-time link that is not used within a day is better made anew (cli.md).
INVITE_S_MAX = 7 * 86_400

# --- who an organisation is -----------------------------------------------------------------------
# A hospital's card, with a hundred kinds of data and as many processors, has about 40 KiB.
CARD_BYTES_MAX = 64 * 1024
CARD_ITEMS_MAX = 128
# `{"v": 1, "personas": […]}`: one persona has 80 bytes; a page of HTML is no reason to read on.
WELL_KNOWN_BYTES_MAX = 64 * 1024
# A group of companies behind one domain.
WELL_KNOWN_PERSONAS_MAX = 64
# Three DIDs and a time.
VOUCH_BYTES_MAX = 1_024

# --- the log and its witnesses --------------------------------------------------------------------
# Three lines, the log's signature and those of a few witnesses: 0.3 KiB for each.
CHECKPOINT_BYTES_MAX = 8 * 1024
# C2SP: a reader takes at least 16.
NOTE_SIGNATURES_MAX = 32
# Two keys and two signatures.
LOG_SUCCESSION_BYTES_MAX = 512
# Logs that one home has had: each restore begins another.
LOG_SUCCESSIONS_MAX = 64
# A word of the log (the largest answer is a signed object), two certificates, a path, a checkpoint.
LOG_PROOF_BYTES_MAX = 512 * 1024

# --- several devices of one person ----------------------------------------------------------------
# Spaces that one answer names: a space is a kind of row, or a month of a collection.
DEVICE_SPACES_MAX = 4_096
# Ids of 16 bytes in one answer, which is a signed object.
DEVICE_IDS_MAX = 12_288
# Rows of one answer, before they are sealed; what is larger comes in pieces of this size.
DEVICE_CHUNK_BYTES_MAX = 192 * 1024
# One row: a page and what is known of it; a grant with its keyset; a statement with its leaves.
DEVICE_ITEM_BYTES_MAX = 4 * 1024 * 1024
# Devices of one person, and devices of one peer of which a node knows.
DEVICES_MAX = 16

# --- helpers --------------------------------------------------------------------------------------
# A helper that heard of no revocation serves for so long at most (formats.md, "Revocation").
LEASE_S_MAX = 24 * 3_600
# What one call brings to a helper: 1 MiB of pages with the leaves of the segments they are in.
HELP_BYTES_MAX = 8 * 1024 * 1024
# 1,024 pages, segments and statements of a few values each, the days of ten years gone.
HELP_ITEMS_MAX = 80_000
# Grants of one reader at one helper: as many as windows of one of them.
HELP_GRANTS_MAX = 64
# Readers whom one helper may serve for one owner: an organisation's.
HELP_SHELVES_MAX = 4_096
# Ids of 16 bytes that one token holds: of a day page each, eight years.
HELP_IDS_MAX = 3_000
# Helpers of one owner: each sees who reads, and when.
HELPERS_MAX = 8

# --- capabilities ---------------------------------------------------------------------------------
# A delegation, an invocation or a bundle; the policy of 64 windows has about 8 KiB.
TOKEN_BYTES_MAX = 64 * 1024
# Delegations between owner and reader: owner, organisation, department, worker, device, with room.
# Each is one more party that a person must be told of, and one more signature to check.
CHAIN_MAX = 8
# A command of four words is long; ours have two.
COMMAND_CHARS_MAX = 128
# 12 to 16 random bytes are usual; a nonce is not a place to carry data.
TOKEN_NONCE_BYTES_MAX = 64
# UCAN: times are integers that a JavaScript number holds exactly.
TIME_S_MAX = 2**53 - 1
# A window of a grant has four statements; WINDOWS_MAX of them, with room for a narrowing reader.
POLICY_STATEMENTS_MAX = 512
# `not`, `or`, `and`, a comparison is four; nesting beyond eight is not meant for people.
POLICY_DEPTH_MAX = 8
# What evaluating all statements of a policy on one set of args may touch, in values: quantifiers
# and deep comparisons multiply, and the one who wrote them is not the one who pays.
POLICY_STEPS_MAX = 100_000
SELECTOR_CHARS_MAX = 256
SELECTOR_STEPS_MAX = 16
PATTERN_CHARS_MAX = 256
# Delegations already verified are remembered by their bytes, up to this many bytes in all.
DELEGATIONS_REMEMBERED_BYTES_MAX = 1024 * 1024

# --- files that readers take ----------------------------------------------------------------------
# Ten years of half-hours as Green Button XML have about 60 MB; larger exports come in parts.
FILE_BYTES_MAX = 64 * 1024 * 1024
# What a reader is shown to say whether a file is its own; published Green Button files open with
# two and a half KiB of comments.
FILE_HEAD_BYTES = 8 * 1024
# A year of minutes.
FILE_ROWS_MAX = 600_000
# About eight elements a reading, and what stands around them.
FILE_ELEMENTS_MAX = 8 * FILE_ROWS_MAX
# Elements held in memory at one time: readings leave it as they are read, what is left is frame.
FILE_ELEMENTS_HELD_MAX = 100_000
# Ours nest up to 11 deep; an unclosed OFX 1 field that is empty counts as one level.
FILE_DEPTH_MAX = 64
# One field or attribute of a file, in characters.
FILE_TEXT_CHARS_MAX = 4_096
# Attributes of one element; exports have four.
FILE_ATTRIBUTES_MAX = 64
# Files of one folder or archive: ten years of monthly exports of eight accounts.
FILES_MAX = 1_000
# All members of one archive together, inflated.
ARCHIVE_BYTES_MAX = 512 * 1024 * 1024
# Text of readings deflates to a fiftieth; what deflates to less than this is made to.
ARCHIVE_RATIO_MAX = 200
# Cells of one row of a CSV file; banks print up to forty.
FILE_CELLS_MAX = 256
# A mapping of columns that a person wrote: a page of text, with comments.
PROFILE_BYTES_MAX = 16 * 1024
# Series, or accounts, that one file may bring: each becomes a collection or a source of its own.
FILE_SERIES_MAX = 32

# --- records --------------------------------------------------------------------------------------
# One day of one source is one page, and a page or its part of a delivery travels in one frame of
# 1 MiB: this is the most that still fits with its envelope, before compression.
PAGE_PLAIN_BYTES_MAX = 1024 * 1024 - 4096
# One record every three seconds; the columns of more would not fit a page.
PAGE_ROWS_MAX = 32_768
# A decimal beyond 18 digits after the point is not money and not a measurement.
SCALE_MAX = 18
# Fields of a record, in bytes of UTF-8: a bank's identifier, a unit or kind, a line of text.
RECORD_ID_BYTES_MAX = 255
RECORD_UNIT_BYTES_MAX = 32
RECORD_TEXT_BYTES_MAX = 1_024
# A note, or all telephone numbers of one contact: address books allow more, and nobody reads it.
CONTACT_TEXT_BYTES_MAX = 16 * 1024
# ISO 13616; the longest in use has 33.
IBAN_BYTES_MAX = 34
# A number of an account that is no IBAN: ISO 20022 allows 34, card networks and brokers more.
ACCOUNT_NUMBER_BYTES_MAX = 64
# A meter that is read once in four years is the longest interval known.
INTERVAL_S_MAX = 4 * 366 * 86_400
# Days of one statement: ten years (formats.md).
STATEMENT_DAYS_MAX = 3_700
STATEMENT_BYTES_MAX = 4_096
# A range proof has two hashes a level; no tree here has more than 2^32 leaves.
PROOF_HASHES_MAX = 64
# Entries of one segment: one commit of an import, about 128 MiB of pages at most.
SEGMENT_ENTRIES_MAX = 65_536
SEGMENT_BYTES_MAX = 64 * 1024
# CIDs of own segments that one segment replaces.
SUPERSEDES_MAX = 1_024
# One page's line in the catalogue: fixed fields and a path.
ENTRY_BYTES_MAX = 1_024
# What one delivery may bring, all parts together: held in memory while it is verified.
DELIVERY_BYTES_MAX = 64 * 1024 * 1024

# --- session --------------------------------------------------------------------------------------
# Before a peer has shown who it is: a certificate with 64 commands has 9 KiB at most.
HELLO_BYTES_MAX = 16 * 1024
# An unpaired peer may only say `/pair/open`: an inception, a certificate, a name.
UNPAIRED_FRAME_BYTES_MAX = 64 * 1024
UNPAIRED_CALLS_OPEN_MAX = 1
# Calls of one side not yet ended.  Each may hold one window (1 MiB) at either end.
CALLS_OPEN_MAX = 64
# Calls that ended while the peer's frames for them were still under way: a little more than can
# be open, several times over.
LATE_CALLS_MAX = 1_024
# Integers that a JavaScript number holds exactly.
CALL_ID_MAX = 2**53 - 1
# What we cut our own windows into, so that a small call passes between two frames of a large one.
PAGE_SLICE_BYTES = 256 * 1024
# Small frames are sent joined, up to this.
SEND_BYTES = 64 * 1024
# Chain, revocations of survivors: keysets of one offer.
OFFER_KEYSETS_MAX = 64
# A certificate is checked in a millisecond; the rest is the network's.
HELLO_MS = 10_000
# A frame has this long, and one second more for each FRAME_RATE_BYTES that it announces.
FRAME_MS = 30_000
FRAME_RATE_BYTES = 8 * 1024
# An answer may wait for a large delivery to be checked and committed.
CALL_MS = 120_000
# All pages of a window, and its countersign: 1 MiB on a link shared by 64 of them.
WINDOW_MS = 300_000
# A silent peer is asked for a sign of life: soon if something is expected of it, rarely if not.
PING_WAITING_MS = 30_000
PING_IDLE_MS = 600_000
PING_REPLY_MS = 60_000
# A peer that follows the two lines above sends far fewer.
PINGS_MAX = 10
PINGS_WINDOW_MS = 10_000

# --- pushing by local programs --------------------------------------------------------------------
# One push is one unit of work, and its records wait in memory while it is committed.
PUSH_RECORDS_MAX = 1_024
PUSH_BYTES_MAX = 512 * 1024
# An allowance that outlives its program by years is forgotten; a person renews it.
PUSH_LIFE_S_MAX = 10 * 366 * 86_400
# Every second of a minute, a thousand meters.
PUSH_PER_MINUTE_MAX = 60_000

# --- parcels --------------------------------------------------------------------------------------
# What is carried by hand may lie in a drawer for a month; a certificate lives no longer either.
PARCEL_LIFE_S_MAX = 30 * 86_400
# A clock that runs ahead by more than this is a fault to be told (as INVOCATION_AHEAD_S_MAX).
PARCEL_CLOCK_S_MAX = 300
# Calls of one parcel: more than a peer has to say in a month; each ends in a logged word.
PARCEL_CALLS_MAX = 256
# Answers that one parcel carries back: to four full parcels.
PARCEL_WORDS_MAX = 1_024
# Windows of pages that one parcel brings: each is of another read, since one of a read must be
# signed for before the next.  A year of half-hours is one window.
PARCEL_OFFERS_MAX = 32
# And signatures for windows of the peer: those of as many reads, and of as many that came before.
PARCEL_SIGNATURES_MAX = 64
# An offer without its pages: as in a frame.
OFFER_BYTES_MAX = FRAME_BYTES_MAX
# The signed head: calls, answers with keysets, certificates.  It is held in memory.
PARCEL_HEAD_BYTES_MAX = 16 * 1024 * 1024
# Everything in it: four full deliveries.  It is read twice from the disk and held in memory once
# for each delivery.
PARCEL_BYTES_MAX = 256 * 1024 * 1024
# Parcels of one device that may come in another order than they were made (formats.md, "Grant").
COUNTER_WINDOW = 64
# A parcel a minute for two years: a counter that leaps further is broken.
COUNTER_LEAP_MAX = 1_000_000
