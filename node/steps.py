"""The numbered steps of lending: of a grant, a read and a revocation, at both ends.

Each is told to a `Checkpoint` where it is reached, so that a test can make any of them a node's
last.  What has been acknowledged by then, and what must be there after the next start:

    grant   owner                                          reader
            1 decided     in a transaction, not committed
            2 committed   durable; the owner is told next
            3 telling     the bundle is about to go out
                                                           4 held      durable, the answer not out
            5 heard       the answer is in, not yet kept
                                                           6 accepting the word is about to go out
            7 keyed       durable, the keyset not out
                                                           8 came      the keyset, not yet kept
                                                           9 kept      durable

    read    1 asked       heard, nothing decided
            2 signed      in a transaction, not committed
            3 logged      durable, nothing sent
            4 offered     the window is on its way
                                                           5 arrived   whole, not yet kept
                                                           6 stored    durable, not countersigned
                                                           7 signed    the signature is on its way
            8 returned    it is here, not yet kept
            9 kept        durable

    revoke  1 decided     in a transaction, not committed
            2 committed   durable: nothing more is served; the owner is told next
            3 telling     the revocation is about to go out
                                                           4 known     durable, the answer not out
            5 heard       the answer is in, not yet kept
            6 rekeying    new keys are about to go to another reader of the same path
                                                           7 rekeyed   there, durable
            8 sure        the answer is in, not yet kept

    encrypt 1 written     in a transaction, the old pages still there
    again   2 committed   durable: some pages moved, and how far it has come
            3 erased      no trace of the old is left on the disk; the claim still stands

    delete                                                 1 noted     durable: it will be done
                                                           2 removed   durable: the rows are gone
                                                           3 erased    their traces too
                                                           4 signed    durable: it is said next

    devices 1 taken       durable: some rows of one space
            2 lacking     a whole round has found nothing more; readers not re-keyed yet
              nothing
            3 in step     durable: readers re-keyed, and when the two were in step

    parcel  sender                                         receiver
            1 offered     one window signed, not committed
            2 planned     in a transaction, not committed
            3 committed   durable: signed, numbered, not written
            4 written     whole, beside its place
            5 placed      under its name, durable
                                                           6 resumed   durable, nothing acted on
                                                           7 word kept one answer, durable
                                                           8 signature one, durable
                                                           9 acted     one call, durable
                                                          10 window    one, stored and signed for
                                                          11 marked    durable: taken

    join    new device                                     older device
            1 kept        durable: its keys; nobody was asked
            2 asking      about to ask, again and again
                                                           3 given     in a transaction
                                                           4 confirmed durable; its person is told
            5 heard       what it was given, not yet kept
            6 settled     durable: its store, no home yet
            7 made        durable: its keystore, a home

    follow  home                                           peer
            1 prepared    durable: which keys readers have
            2 keystore    durable: the new one, alone
            3 stepped     in a transaction: who we are now
            4 given again in a transaction, not committed
            5 committed   durable; each peer is told next
                                                           6 heard     in a transaction

    restore 1 copied      beside the home, as it was
            2 made new    beside: another device and log
            3 followed    beside, if it was stolen
            4 keystore    beside, whole
            5 moved       durable, in its place

An import has its own (`imports.py`).  What is said by way of the outbox reaches the same four
places whatever it is: `said_of` names them for each command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..protocol.command import Cmd


class GrantStep(StrEnum):
    """From a decision to the keys in the reader's store."""

    DECIDED = "grant 1 decided"
    COMMITTED = "grant 2 committed"
    TELLING = "grant 3 telling"
    HELD = "grant 4 held"
    HEARD = "grant 5 heard"
    ACCEPTING = "grant 6 accepting"
    KEYED = "grant 7 keyed"
    CAME = "grant 8 came"
    KEPT = "grant 9 kept"


class ReadStep(StrEnum):
    """One window of a read."""

    ASKED = "read 1 asked"
    SIGNED = "read 2 signed"
    LOGGED = "read 3 logged"
    OFFERED = "read 4 offered"
    ARRIVED = "read 5 arrived"
    STORED = "read 6 stored"
    COUNTERSIGNED = "read 7 countersigned"
    RETURNED = "read 8 returned"
    KEPT = "read 9 kept"


class RevokeStep(StrEnum):
    """From taking back to new keys for the others."""

    DECIDED = "revoke 1 decided"
    COMMITTED = "revoke 2 committed"
    TELLING = "revoke 3 telling"
    KNOWN = "revoke 4 known"
    HEARD = "revoke 5 heard"
    REKEYING = "revoke 6 rekeying"
    REKEYED = "revoke 7 rekeyed"
    SURE = "revoke 8 sure"


class JoinStep(StrEnum):
    """A new machine becomes another device of somebody who has one."""

    KEPT = "join 1 kept"
    ASKING = "join 2 asking"
    GIVEN = "join 3 given"
    CONFIRMED = "join 4 confirmed"
    HEARD = "join 5 heard"
    SETTLED = "join 6 settled"
    MADE = "join 7 made"


class SuccessionStep(StrEnum):
    """A device is left behind: every persona is followed by its next."""

    PREPARED = "follow 1 prepared"
    KEYSTORE = "follow 2 keystore"
    STEPPED = "follow 3 stepped"
    GIVEN_AGAIN = "follow 4 given again"
    COMMITTED = "follow 5 committed"
    HEARD = "follow 6 heard"


class RestoreStep(StrEnum):
    """A backup becomes a home; until the last step it has not happened."""

    COPIED = "restore 1 copied"
    MADE_NEW = "restore 2 made new"
    FOLLOWED = "restore 3 followed"
    KEYSTORE = "restore 4 keystore"
    MOVED = "restore 5 moved"


class AgainStep(StrEnum):
    """Pages of an old generation, on their way to the present one."""

    WRITTEN = "encrypt again 1 written"
    COMMITTED = "encrypt again 2 committed"
    ERASED = "encrypt again 3 erased"


class DeviceStep(StrEnum):
    """What another device of this person has, on its way here."""

    TAKEN = "devices 1 taken"
    LACKING_NOTHING = "devices 2 lacking nothing"
    IN_STEP = "devices 3 in step"


class DeleteStep(StrEnum):
    """What was read under a grant that ended, on its way out of the reader's store."""

    NOTED = "delete 1 noted"
    REMOVED = "delete 2 removed"
    ERASED = "delete 3 erased"
    SIGNED = "delete 4 signed"


class ParcelStep(StrEnum):
    """From what waits to a file, and from a file to what it changed."""

    OFFERED = "parcel 1 offered"
    PLANNED = "parcel 2 planned"
    COMMITTED = "parcel 3 committed"
    WRITTEN = "parcel 4 written"
    PLACED = "parcel 5 placed"
    RESUMED = "parcel 6 resumed"
    WORD_KEPT = "parcel 7 word kept"
    SIGNATURE_KEPT = "parcel 8 signature kept"
    ACTED = "parcel 9 acted"
    WINDOW_KEPT = "parcel 10 window kept"
    MARKED = "parcel 11 marked"


class ViewStep(StrEnum):
    """One month of a view."""

    DERIVED = "view 1 derived"
    EXCHANGED = "view 2 exchanged"
    PUBLISHED = "view 3 published"


@dataclass(frozen=True, slots=True)
class Said:
    """The steps of one word: here about to go out; there done and logged; here answered; here what
    follows from the answer kept."""

    sending: str
    served: str
    answered: str
    kept: str


def _plain(cmd: str) -> Said:
    return Said(f"{cmd} sending", f"{cmd} served", f"{cmd} answered", f"{cmd} kept")


_SAID: Final[Mapping[str, Said]] = {
    Cmd.DECIDE: Said(GrantStep.TELLING, GrantStep.HELD, GrantStep.HEARD, _plain(Cmd.DECIDE).kept),
    Cmd.ACCEPT: Said(GrantStep.ACCEPTING, GrantStep.KEYED, GrantStep.CAME, GrantStep.KEPT),
    Cmd.REVOKE: Said(
        RevokeStep.TELLING, RevokeStep.KNOWN, RevokeStep.HEARD, _plain(Cmd.REVOKE).kept
    ),
    Cmd.KEYS: Said(RevokeStep.REKEYING, RevokeStep.REKEYED, RevokeStep.SURE, _plain(Cmd.KEYS).kept),
}


def said_of(cmd: str) -> Said:
    """The steps of a command; one that nobody has numbered, known or not, is told by its name."""
    return _SAID.get(cmd) or _plain(cmd)
