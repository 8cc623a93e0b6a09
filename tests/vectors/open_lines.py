"""Vectors of lines: a persona that another follows after a device was lost, a log that another
follows after a restore; and of what somebody with the stolen keys would say."""

from __future__ import annotations

from collections.abc import Sequence

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.keys import DeviceKey, LogSigningKey, PairKey, PersonaKey, ReaderSecret
from entrenous.crypto.labels import Signed
from entrenous.crypto.recovery import next_digest, next_key
from entrenous.protocol.command import SucceedArgs
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.persona import Certificate, Inception, make_inception, make_succession
from entrenous.protocol.signed import sign
from entrenous.protocol.succession import Step, follow, next_pair_key
from entrenous.protocol.witness import make_log_succession
from entrenous.tests.protocol.forge import IDENTITY, raw_did
from entrenous.tests.vectors.open_form import Case, Fault, Subject
from entrenous.tests.vectors.open_world import (
    DAY_S,
    K_PAIR,
    PERSON,
    RECOVERY,
    STRANGER,
    SUPPLIER,
    T_MS,
    certify,
    random,
)

# Two devices were lost, one after the other: the person's lists 1 and 2 were begun.
FIRST, SECOND = next_key(RECOVERY, 0, 0), next_key(RECOVERY, 1, 0)
NEW_DEVICE = DeviceKey(random("device after a theft", 32))


def _begun(key: PersonaKey, number: int) -> Inception:
    reader = ReaderSecret(random(f"reader after theft {number}", 32)).public
    return make_inception(key, reader_key=reader, next_digest=next_digest(RECOVERY, number, 0))


def _step(old: Did, key: PersonaKey, number: int) -> Step:
    return Step(make_succession(old, key), _begun(key, number), random(f"half key {number}", 32))


STEPS = (_step(PERSON.did, FIRST, 1), _step(did_of(FIRST.public), SECOND, 2))
CERTIFICATE = certify(SECOND, NEW_DEVICE, cmds=("/",))


def _said(steps: Sequence[Value], by: Certificate = CERTIFICATE, **changed: Value) -> str:
    args = SucceedArgs(SUPPLIER.did, (), by).value()
    return encode({**args, "steps": list(steps), **changed}).hex()


def _values(steps: Sequence[Step] = STEPS) -> list[Value]:
    return [step.value() for step in steps]


def lines() -> Subject:
    held = {"held": PERSON.inception.signed.raw.hex(), "k_pair": K_PAIR.secret_bytes().hex()}
    asked = {**held, "args": _said(_values()), "to": SUPPLIER.did, "t_ms": T_MS}
    halfway = {
        **asked,
        "held": STEPS[0].inception.signed.raw.hex(),
        "k_pair": next_pair_key(K_PAIR, STEPS[0]).secret_bytes().hex(),
    }
    cases = [
        Case("line: two devices were lost", "line", asked, _after(STEPS)),
        Case("line: the first step was taken before", "line", halfway, _after(STEPS)),
        Case(
            "line: said again",
            "line",
            {**asked, "held": STEPS[1].inception.signed.raw.hex()},
            _output(STEPS[1], K_PAIR),
        ),
        *_log_cases(),
    ]
    about = "Personas and logs that follow others, as one is told who holds what went before."
    return Subject("lines.json", about, cases, [*_stolen(), *_malformed(), *_log_faults()])


def _after(steps: Sequence[Step]) -> dict[str, str]:
    key = K_PAIR
    for step in follow(PERSON.inception, steps):
        key = next_pair_key(key, step)
    return _output(steps[-1], key)


def _output(last: Step, key: PairKey) -> dict[str, str]:
    return {
        "did": last.new,
        "next": last.inception.next_digest.hex(),
        "k_pair": key.secret_bytes().hex(),
    }


_OF = "line: two devices were lost"


def _fault(name: str, why: str, args: str) -> Fault:
    return Fault(f"line: {name}", _OF, why, {"args": args})


def _stolen() -> list[Fault]:
    """What a thief says, who has every key of the persona that is held, and none that follows."""
    thief = PersonaKey(random("thief", 32))
    mine = _step(PERSON.did, thief, 9)
    by_old = sign(
        Signed.SUCCESSION, {"v": 1, "old": PERSON.did, "new": STEPS[0].new}, PERSON.key
    ).raw
    by_thief = sign(Signed.SUCCESSION, {"v": 1, "old": PERSON.did, "new": STEPS[0].new}, thief).raw
    body = dict(STEPS[0].inception.signed.body)
    other = ReaderSecret(random("reader of a thief", 32)).public
    forged = sign(Signed.INCEPTION, {**body, "reader_key": other}, PERSON.key).raw
    first, second = _values()
    assert isinstance(first, list)
    back = Step(make_succession(STEPS[0].new, PERSON.key), PERSON.inception, bytes(32))
    again = _step(STEPS[0].new, thief, 9)
    return [
        _fault("to a key of the thief's own", "succession", _said(_values([mine]), _cert(thief))),
        _fault(
            "to a key of the thief's own, after a step that holds",
            "succession",
            _said([first, again.value()], _cert(thief)),
        ),
        _fault(
            "signed by the key that was stolen", "signature", _said([[by_old, *first[1:]], second])
        ),
        _fault("signed by the thief", "signature", _said([[by_thief, *first[1:]], second])),
        _fault(
            "the inception signed by the key that was stolen",
            "signature",
            _said([[first[0], forged, first[2]], second]),
        ),
        _fault(
            "back to the persona that was left",
            "form",
            _said([first, back.value()], certify(PERSON.key, PERSON.device, cmds=("/",))),
        ),
        Fault(
            "line: to the persona that was left, by a line that ends there",
            _OF,
            "audience",
            {
                "held": STEPS[1].inception.signed.raw.hex(),
                "args": _said([first], _cert(FIRST)),
            },
        ),
        _fault(
            "the certificate is by the persona that was left",
            "certificate",
            _said(_values(), certify(PERSON.key, PERSON.device, cmds=("/",))),
        ),
        _fault(
            "the certificate is by the persona between",
            "certificate",
            _said(_values(), _cert(FIRST)),
        ),
        Fault(
            "line: another persona's",
            _OF,
            "audience",
            {"held": STRANGER.inception.signed.raw.hex()},
        ),
        Fault("line: said to another", _OF, "audience", {"to": STRANGER.did}),
        Fault(
            "line: the certificate has ended",
            _OF,
            "certificate",
            {"t_ms": (CERTIFICATE.exp_s + 1) * 1000},
        ),
        Fault(
            "line: the certificate runs for too long",
            _OF,
            "certificate",
            {"t_ms": T_MS - 40 * DAY_S * 1000},
        ),
    ]


def _cert(key: PersonaKey) -> Certificate:
    return certify(key, NEW_DEVICE, cmds=("/",))


def _malformed() -> list[Fault]:
    first, second = _values()
    assert isinstance(first, list)
    assert isinstance(second, list)
    swapped = [first[0], second[1], first[2]]
    apart = _step(STRANGER.did, SECOND, 2).value()
    small = encode(
        [
            "entrenous/1/succession",
            {"v": 1, "old": PERSON.did, "new": raw_did(IDENTITY)},
            bytes(64),
        ]
    )
    long = sign(Signed.SUCCESSION, {"v": 2, "old": PERSON.did, "new": STEPS[0].new}, FIRST).raw
    return [
        _fault("no step", "form", _said([])),
        _fault("more than sixteen steps", "form", _said([first] * 17)),
        _fault("the newest first", "form", _said([second, first])),
        _fault("a step left out", "form", _said([first, apart])),
        _fault("a step twice", "form", _said([first, first, second])),
        _fault("a half key of 31 bytes", "form", _said([[*first[:2], bytes(31)], second])),
        _fault("a step without a half key", "form", _said([first[:2], second])),
        _fault("a step of four parts", "form", _said([[*first, b""], second])),
        _fault("the inception of another step", "succession", _said([swapped, second])),
        _fault("no certificate", "form", _said(_values(), cert=None)),
        _fault("another version", "version", _said(_values(), v=2)),
        _fault("a step of another version", "version", _said([[long, *first[1:]], second])),
        _fault("a word more", "form", _said(_values(), more=None)),
        _fault("to a key of small order", "key", _said([[small, *first[1:]], second])),
    ]


# --- logs -----------------------------------------------------------------------------------------

_LOGS = tuple(LogSigningKey(random(f"log of device {n}", 32)) for n in range(4))
_OLD, _MIDDLE, _NEW, _OTHER = _LOGS
_LOG_STEPS = (make_log_succession(_OLD, _MIDDLE), make_log_succession(_MIDDLE, _NEW))


def _log_cases() -> list[Case]:
    raws = [one.signed.raw.hex() for one in _LOG_STEPS]
    log = {"known": [_OLD.public.hex()], "log": _NEW.public.hex(), "successions": raws}
    output = {"after": _OLD.public.hex()}
    return [
        Case("logs: two restores", "logs", log, output),
        Case("logs: in any order", "logs", {**log, "successions": raws[::-1]}, output),
    ]


def _log_faults() -> list[Fault]:
    of = "logs: two restores"

    def said(name: str, why: str, raw: bytes) -> Fault:
        return Fault(f"logs: {name}", of, why, {"successions.0": raw.hex()})

    body: dict[str, Value] = {"v": 1, "old": _OLD.public, "new": _MIDDLE.public}
    return [
        said(
            "signed by the new log alone",
            "form",
            sign(Signed.LOG_SUCCESSION, body, _MIDDLE).raw,
        ),
        said(
            "signed twice by the new log",
            "signature",
            sign(Signed.LOG_SUCCESSION, body, _MIDDLE, _MIDDLE).raw,
        ),
        said(
            "signed in the other order",
            "signature",
            sign(Signed.LOG_SUCCESSION, body, _MIDDLE, _OLD).raw,
        ),
        said(
            "a log that follows itself",
            "form",
            sign(Signed.LOG_SUCCESSION, {**body, "new": _OLD.public}, _OLD, _OLD).raw,
        ),
        said("of another log", "succession", make_log_succession(_OTHER, _MIDDLE).signed.raw),
        said(
            "a key of 31 bytes",
            "form",
            sign(Signed.LOG_SUCCESSION, {**body, "old": bytes(31)}, _OLD, _MIDDLE).raw,
        ),
        Fault("logs: the last step is missing", of, "succession", {"log": _OTHER.public.hex()}),
        Fault("logs: none is known", of, "succession", {"known": [_OTHER.public.hex()]}),
    ]
