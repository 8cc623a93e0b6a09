"""CAMT files for tests: one template, with the differences between messages and versions."""

from __future__ import annotations

from xml.sax.saxutils import escape

NAMES = {
    52: ("BkToCstmrAcctRpt", "Rpt"),
    53: ("BkToCstmrStmt", "Stmt"),
    54: ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}
IBAN = "DE89370400440532013000"  # the example of ISO 13616 for Germany


def party(role: str, name: str, version: int) -> str:
    inside = f"<Nm>{escape(name)}</Nm>"
    return f"<{role}>{f'<Pty>{inside}</Pty>' if version >= 8 else inside}</{role}>"


def details(
    *,
    amount: str = "",
    currency: str = "EUR",
    sign: str = "",
    payer: str = "Payer",
    payee: str = "Payee",
    text: str = "",
    reference: str = "",
    more: str = "",
    version: int = 8,
) -> str:
    """One TxDtls; version 2 has its amount one level deeper."""
    said = f'<Amt Ccy="{currency}">{amount}</Amt>'
    if not amount:
        said = ""
    elif version == 2:
        said = f"<AmtDtls><TxAmt>{said}</TxAmt></AmtDtls>"
    else:
        said += f"<CdtDbtInd>{sign}</CdtDbtInd>" if sign else ""
    refs = f"<Refs><EndToEndId>{reference}</EndToEndId></Refs>" if reference else ""
    remittance = f"<RmtInf><Ustrd>{escape(text)}</Ustrd></RmtInf>" if text else ""
    parties = party("Dbtr", payer, version) + party("Cdtr", payee, version)
    return f"<TxDtls>{refs}{said}<RltdPties>{parties}</RltdPties>{remittance}{more}</TxDtls>"


def entry(
    amount: str = "10.00",
    sign: str = "CRDT",
    *,
    currency: str = "EUR",
    booked: str = "<Dt>2026-03-02</Dt>",
    status: str = "BOOK",
    reference: str = "",
    reversal: bool = False,
    inside: str = "",
    after: str = "",
    version: int = 8,
) -> str:
    state = f"<Cd>{status}</Cd>" if version >= 7 else status
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        f"<RvslInd>{str(reversal).lower()}</RvslInd><Sts>{state}</Sts>"
        + (f"<BookgDt>{booked}</BookgDt>" if booked else "")
        + (f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else "")
        + (f"<NtryDtls>{inside}</NtryDtls>" if inside else "")
        + f"{after}</Ntry>\n"
    )


def balance(
    code: str = "CLBD",
    amount: str = "100.00",
    sign: str = "CRDT",
    *,
    currency: str = "EUR",
    date: str = "2026-03-31",
    sub: str = "",
) -> str:
    sub = f"<SubTp><Cd>{sub}</Cd></SubTp>" if sub else ""
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry>{sub}</Tp>"
        f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        f"<Dt><Dt>{date}</Dt></Dt></Bal>\n"
    )


def statement(
    *entries: str,
    account: str = IBAN,
    id: str = "S1",
    about: str = "",
    kind: int = 53,
    head: str = "",
) -> str:
    tag = NAMES[kind][1]
    number = (
        f"<IBAN>{account}</IBAN>" if account[:2].isalpha() else f"<Othr><Id>{account}</Id></Othr>"
    )
    return (
        f"<{tag}><Id>{id}</Id>{head}<Acct><Id>{number}</Id>{about}</Acct>\n"
        + "".join(entries)
        + f"</{tag}>\n"
    )


def document(*statements: str, kind: int = 53, version: int = 8) -> bytes:
    name = NAMES[kind][0]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.0{kind}.001.{version:02}">\n'
        f"<{name}><GrpHdr><MsgId>M</MsgId></GrpHdr>\n{''.join(statements)}</{name}></Document>\n"
    ).encode()


def one_entry(**given: object) -> bytes:
    return document(statement(entry(**given)))  # type: ignore[arg-type]  # the arguments of `entry`
