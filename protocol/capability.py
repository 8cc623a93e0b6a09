"""UCAN 1.0.0, as the rest of the program uses it.

`envelope` is how a token is signed, `delegation` and `invocation` are the two tokens, `policy` and
`selector` the language of limits, `chain` the one judgement: may this be done, now, by this key.
"""

from __future__ import annotations

from .chain import VerifiedInvocation, verify_chain, verify_delegations
from .delegation import Delegation, issue_delegation, parse_delegation
from .envelope import covers
from .invocation import Invocation, issue_invocation, parse_invocation
from .policy import Policy, parse_policy

__all__ = [
    "Delegation",
    "Invocation",
    "Policy",
    "VerifiedInvocation",
    "covers",
    "issue_delegation",
    "issue_invocation",
    "parse_delegation",
    "parse_invocation",
    "parse_policy",
    "verify_chain",
    "verify_delegations",
]
