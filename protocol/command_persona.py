"""A persona that follows another: what the command `/persona/succeed` says and answers.

It is said as the persona that the peer knows, by whoever has its key, a thief too.  What counts is
inside: steps signed by keys whose digests the peer has held (`succession.py`).

Source: docs/adr/0024-succession.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from .command_parts import recipient
from .did import Did
from .errors import WireError
from .limits import SIGNED_BYTES_MAX, SUCCESSIONS_MAX
from .persona import Certificate, parse_certificate
from .succession import Step, steps_from_value
from .wire import VERSION, Body, Value


@dataclass(frozen=True, slots=True)
class SucceedArgs:
    """The sender is now the last persona of `steps`; `cert` says which device serves for it."""

    to: Did
    steps: tuple[Step, ...]
    cert: Certificate

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "steps": [step.value() for step in self.steps],
            "cert": self.cert.signed.raw,
        }


def succeed_args(body: Body) -> SucceedArgs:
    steps = steps_from_value(body.items("steps", items_max=SUCCESSIONS_MAX, items_min=1))
    cert = parse_certificate(body.data("cert", bytes_max=SIGNED_BYTES_MAX))
    if cert.persona != steps[-1].new:
        raise WireError("the certificate is not of the persona that follows")
    return SucceedArgs(recipient(body), steps, cert)
