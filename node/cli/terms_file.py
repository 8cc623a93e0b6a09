"""Terms as a person writes them in a file: YAML, TOML or JSON, by the ending of its name.

    purpose: dpv:ServiceProvision
    retention_days: 30
    recipients: []
    remuneration: null
    clauses:
      - promised: The readings are used for the yearly estimate only.
      - enforced: Only the granted days can be opened.

What each key means stands in docs/cli.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...protocol.errors import ProtocolError
from ...protocol.limits import TERMS_BYTES_MAX
from ...protocol.terms import Terms, terms_from_mapping
from ..errors import UsageError
from .written_file import read_mapping


def read_terms(path: Path | None, purpose: str) -> Terms:
    """The terms in the file at `path` (None: nothing but the purpose) for `purpose`.

    Raises NotFound, UsageError.
    """
    written: Mapping[str, object] = {}
    if path is not None:
        written = read_mapping(path, what="terms", bytes_max=TERMS_BYTES_MAX)
    try:
        return terms_from_mapping(written, purpose=purpose)
    except ProtocolError as error:
        raise UsageError(str(error)) from error
