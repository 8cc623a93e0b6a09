"""`https://DOMAIN/.well-known/entrenous`: a domain names the personas that speak for it.

    {"v": 1, "personas": ["did:key:z6Mk…"]}

Known by domain is a claim that both sides make: the card, signed by the persona, names the domain;
the domain, behind its certificate, names the persona.  Neither can claim the other alone, so the
document itself carries no signature: it says nothing that the domain's owner could not take back by
taking the file away, and that is how it is taken back.

What it does not show: that the domain belongs to whom its name suggests.  It is as good as the
certificate authorities, the name servers, and the eyes of whoever reads the name.

Source: RFC 8615; docs/adr/0015-organisation-identity.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from .did import Did, check_did
from .errors import WireError
from .limits import WELL_KNOWN_BYTES_MAX, WELL_KNOWN_PERSONAS_MAX
from .wire import VERSION, Body, Value

PATH = "/.well-known/entrenous"
CONTENT_TYPE = "application/json"
_DEPTH_MAX = 3


def well_known_text(personas: Sequence[Did]) -> str:
    """The document that a domain publishes for `personas`."""
    return json.dumps({"v": VERSION, "personas": sorted(set(personas))}) + "\n"


def parse_well_known(raw: bytes) -> tuple[Did, ...]:
    """The personas that a domain names.  Raises WireError, VersionError."""
    if len(raw) > WELL_KNOWN_BYTES_MAX:
        raise WireError(f"the document is larger than {WELL_KNOWN_BYTES_MAX:,} bytes")
    try:
        text = raw.decode()
        if text.count("[") + text.count("{") > _DEPTH_MAX:
            raise WireError("the document is not a map with one list")
        value = cast("Value", json.loads(text, object_pairs_hook=_once, parse_constant=_no))
    except UnicodeDecodeError as error:
        raise WireError("the document is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise WireError("the document is not JSON, or says a key twice") from error
    body = Body.open(value, "the document", ("v", "personas"))
    found: list[Did] = []
    for one in body.items("personas", items_max=WELL_KNOWN_PERSONAS_MAX):
        if not isinstance(one, str):
            raise WireError("the document: a persona is not text")
        found.append(check_did(one))
    return tuple(found)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _no(text: str) -> object:
    raise ValueError(f"{text} is not JSON")
