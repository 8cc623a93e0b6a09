"""CAMT.053 statements of one account, versions 2 and 8 of the message.

They differ in where a party's name and an entry's status stand, and in how an agent is named; what
they say is the same.

Source: ISO 20022, camt.053.001.02 and camt.053.001.08; the French profile of the CFONB.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

VERSIONS: Final = (2, 8)


@dataclass(frozen=True, slots=True)
class CamtEntry:
    """One Ntry.  `family` and `sub` are of the domain PMNT (or ACMT for fees and interest)."""

    booked: datetime.date
    valued: datetime.date
    cents: int
    reference: str
    label: str
    who: str
    domain: str
    family: str
    sub: str


@dataclass(frozen=True, slots=True)
class CamtStatement:
    """One account over whole days; `served` is an ISO time with an offset."""

    number: int
    iban: str
    holder: str
    bic: str
    currency: str
    served: str
    first: datetime.date
    last: datetime.date
    opening_cents: int
    closing_cents: int
    entries: Sequence[CamtEntry]


def camt_file(statement: CamtStatement, version: int) -> Iterator[str]:
    """The document, piece by piece."""
    name = f"camt.053.001.{version:02d}"
    message = f"{statement.iban[4:14]}{statement.last:%Y%m%d}{statement.number:05d}"
    bic = "BIC" if version == 2 else "BICFI"
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{name}">\n<BkToCstmrStmt>\n'
        f"<GrpHdr><MsgId>{message}</MsgId><CreDtTm>{statement.served}</CreDtTm></GrpHdr>\n<Stmt>\n"
        f"<Id>{message}-1</Id><ElctrncSeqNb>{statement.number}</ElctrncSeqNb>"
        f"<CreDtTm>{statement.served}</CreDtTm>\n"
        f"<FrToDt><FrDtTm>{statement.first}T00:00:00</FrDtTm>"
        f"<ToDtTm>{statement.last}T23:59:59</ToDtTm></FrToDt>\n"
        f"<Acct><Id><IBAN>{statement.iban}</IBAN></Id><Ccy>{statement.currency}</Ccy>"
        f"<Ownr><Nm>{escape(statement.holder)}</Nm></Ownr>"
        f"<Svcr><FinInstnId><{bic}>{statement.bic}</{bic}></FinInstnId></Svcr></Acct>\n"
    )
    yield _balance(statement, "OPBD", statement.opening_cents, statement.first)
    yield _balance(statement, "CLBD", statement.closing_cents, statement.last)
    yield _summary(statement)
    for entry in statement.entries:
        yield _entry(statement, entry, version)
    yield "</Stmt>\n</BkToCstmrStmt>\n</Document>\n"


def _amount(cents: int) -> str:
    whole, part = divmod(abs(cents), 100)
    return f"{whole}.{part:02d}"


def _sign(cents: int) -> str:
    return "DBIT" if cents < 0 else "CRDT"


def _balance(statement: CamtStatement, kind: str, cents: int, day: datetime.date) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{statement.currency}">{_amount(cents)}</Amt>'
        f"<CdtDbtInd>{_sign(cents)}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>\n"
    )


def _summary(statement: CamtStatement) -> str:
    """What the bank itself counted: entries of both signs, and their sums."""
    parts: list[str] = []
    for tag, sign in (("TtlCdtNtries", "CRDT"), ("TtlDbtNtries", "DBIT")):
        cents = [one.cents for one in statement.entries if _sign(one.cents) == sign]
        parts.append(
            f"<{tag}><NbOfNtries>{len(cents)}</NbOfNtries><Sum>{_amount(sum(cents))}</Sum></{tag}>"
        )
    return f"<TxsSummry>{''.join(parts)}</TxsSummry>\n"


def _entry(statement: CamtStatement, entry: CamtEntry, version: int) -> str:
    who = f"<Nm>{escape(entry.who)}</Nm>"
    if version > 2:
        who = f"<Pty>{who}</Pty>"
    party = f"<Cdtr>{who}</Cdtr>" if entry.cents < 0 else f"<Dbtr>{who}</Dbtr>"
    status = "BOOK" if version == 2 else "<Cd>BOOK</Cd>"
    return (
        f"<Ntry><NtryRef>{entry.reference}</NtryRef>"
        f'<Amt Ccy="{statement.currency}">{_amount(entry.cents)}</Amt>'
        f"<CdtDbtInd>{_sign(entry.cents)}</CdtDbtInd><Sts>{status}</Sts>"
        f"<BookgDt><Dt>{entry.booked}</Dt></BookgDt><ValDt><Dt>{entry.valued}</Dt></ValDt>"
        f"<AcctSvcrRef>{entry.reference}</AcctSvcrRef>"
        f"<BkTxCd><Domn><Cd>{entry.domain}</Cd><Fmly><Cd>{entry.family}</Cd>"
        f"<SubFmlyCd>{entry.sub}</SubFmlyCd></Fmly></Domn></BkTxCd>"
        "<NtryDtls><TxDtls>"
        f"<Refs><AcctSvcrRef>{entry.reference}</AcctSvcrRef>"
        "<EndToEndId>NOTPROVIDED</EndToEndId></Refs>"
        f"<RltdPties>{party}</RltdPties>"
        f"<RmtInf><Ustrd>{escape(entry.label[:140])}</Ustrd></RmtInf>"
        f"</TxDtls></NtryDtls><AddtlNtryInf>{escape(entry.label)}</AddtlNtryInf></Ntry>\n"
    )
