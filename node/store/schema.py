"""The tables, as the newest program makes them.  Counters, blinded tags and ciphertext only.

What someone with the file and without the keys sees: how many rows of which table there are, their
sizes (pages are padded before they come here), the order in which they were written, and the times
at which something is due or expires.  No name, path, day or persona (formats.md, "At rest").

`page` keeps its rowid: rows of 2 KiB are appended one after another and only 16-byte tags go to
random places.  A table WITHOUT ROWID would push each page into overflow pages.
"""

from __future__ import annotations

# "entr": so that another program's database is refused before anything is written to it.
APPLICATION_ID = 0x656E7472

VERSION_1: tuple[str, ...] = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE object (
        kind INTEGER NOT NULL, tag BLOB NOT NULL, sealed BLOB NOT NULL,
        PRIMARY KEY (kind, tag))""",
    "CREATE TABLE page (tag BLOB PRIMARY KEY NOT NULL, ct BLOB NOT NULL)",
    "CREATE TABLE catalogue (id INTEGER PRIMARY KEY, tag BLOB NOT NULL, sealed BLOB NOT NULL)",
    "CREATE INDEX catalogue_by_tag ON catalogue (tag)",
    """CREATE TABLE segment (
        seq INTEGER PRIMARY KEY, tag BLOB NOT NULL UNIQUE,
        head BLOB NOT NULL, leaves BLOB NOT NULL)""",
    "CREATE TABLE replay (tag BLOB PRIMARY KEY NOT NULL, expires_s INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX replay_by_expiry ON replay (expires_s)",
    "CREATE TABLE counter (tag BLOB PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, due_ms INTEGER NOT NULL,
        tag BLOB NOT NULL, sealed BLOB NOT NULL)""",
    "CREATE INDEX outbox_by_due ON outbox (due_ms, id)",
    "CREATE INDEX outbox_by_tag ON outbox (tag, id)",
    """CREATE TABLE leaf (
        log INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (log, idx)) WITHOUT ROWID""",
    """CREATE TABLE receipt (
        log INTEGER NOT NULL, idx INTEGER NOT NULL, tag BLOB NOT NULL UNIQUE,
        sealed BLOB NOT NULL, PRIMARY KEY (log, idx))""",
)

# Which rows of the log are about the same peer, grant or collection; not about which.
VERSION_2: tuple[str, ...] = (
    """CREATE TABLE mention (
        tag BLOB NOT NULL, log INTEGER NOT NULL, idx INTEGER NOT NULL,
        PRIMARY KEY (tag, log, idx)) WITHOUT ROWID""",
)

# Inner hashes of logs, so that a proof does not read every leaf; blinded as the leaves are.
VERSION_3: tuple[str, ...] = (
    """CREATE TABLE subtree (
        log INTEGER NOT NULL, level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (log, level, idx)) WITHOUT ROWID""",
)

# Which objects are about the same thing, and until which day (-1: no more); not about which.  The
# day stands in the key, so those that stand are found without a second tree.
VERSION_4: tuple[str, ...] = (
    """CREATE TABLE link (
        kind INTEGER NOT NULL, thing BLOB NOT NULL, end_day INTEGER NOT NULL, tag BLOB NOT NULL,
        PRIMARY KEY (kind, thing, end_day, tag)) WITHOUT ROWID""",
    """CREATE TABLE linked (
        kind INTEGER NOT NULL, thing BLOB NOT NULL, standing INTEGER NOT NULL,
        PRIMARY KEY (kind, thing)) WITHOUT ROWID""",
)
