"""Saying: the invocation of one command, signed where it is about to go out.

The same for a link and for a parcel; they differ in how long it lives, and in its `meta`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...crypto.entropy import Entropy
from ...protocol.did import Did
from ...protocol.invocation import Invocation, issue_invocation
from ...protocol.wire import Value
from ..household.mandate_kept import MandateKept
from ..peers.peers import OwnPersona

NONCE_BYTES = 16


def sign_command(
    persona: OwnPersona,
    held: MandateKept | None,
    cmd: str,
    args: Mapping[str, Value],
    *,
    to: Did,
    aud: Did,
    exp_s: int,
    entropy: Entropy,
    meta: Mapping[str, Value] | None = None,
) -> tuple[Invocation, list[bytes]]:
    """The invocation of `cmd` by `persona`, in its own name or that of the principal of the mandate
    `held`; and the proofs that go with it.

    `to` is the recipient's persona as it is now, whichever it was when `args` were kept.
    """
    links = () if held is None else tuple(one.link(cmd) for one in held.chain)
    invocation = issue_invocation(
        persona.key,
        sub=persona.did if held is None else held.mandate.principal,
        cmd=cmd,
        args={**args, "to": to} if "to" in args else args,
        prf=[link.cid for link in links],
        exp=exp_s,
        nonce=entropy.random_bytes(NONCE_BYTES),
        aud=aud,
        meta=meta,
    )
    return invocation, [link.raw for link in links]
