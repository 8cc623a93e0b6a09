"""kill -9 inside every step of a payment and of the word on it, on two real nodes.

What was acknowledged is there; a payment is there once, whole or not at all; both sides end with
the same account, and the logs verify.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from entrenous.node.client import Client
from entrenous.node.results.accounts import AccountInfo
from entrenous.node.steps import said_of
from entrenous.protocol.command import Cmd
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.flows.deaths import ForkServer, Mortal, Tally, until
from entrenous.tests.flows.test_kills import DAY, PATH, PURPOSE, Two, two_homes

TERMS: dict[str, Value] = {
    "retention_days": 30,
    "remuneration": {"amount": "100.00", "currency": "EUR", "per": "once"},
}


def steps_of(cmd: Cmd) -> Sequence[str]:
    said = said_of(cmd)
    return said.sending, said.served, said.answered, said.kept


async def account(mortal: Mortal) -> AccountInfo:
    (found,) = await mortal.ask(Client.accounts)
    return found


async def paid_grant(two: Two) -> None:
    windows = [Window(PATH, DAY, DAY)]
    request = await two.reader.ask(
        lambda client: client.ask(
            "owner", windows, purpose=PURPOSE, terms=TERMS, exp_s=2_000_000_000
        )
    )

    async def came() -> bool:
        return any(one.id == request for one in await two.owner.ask(Client.inbox))

    await until("the request comes", came)
    await two.owner.ask(lambda client: client.grant(request))
    await two.fetched(DAY, DAY)


async def cut(two: Two, step: str, number: int, *, at_sender: bool, confirming: bool) -> None:
    """One payment, said and confirmed; somebody dies at `step` of one of the two words."""
    amount = f"0.{number + 1:02}"
    sender = two.owner if confirming else two.reader
    receiver = two.reader if confirming else two.owner
    if not confirming:
        await (sender if at_sender else receiver).arm(step)
    said = await two.reader.ask(lambda client: client.account_paid("owner", amount, "EUR"))
    if not confirming:
        await two.die(sender if at_sender else receiver, step)
    await two.all_is_said()
    mine = [one for one in (await account(two.owner)).payments if one.amount == amount]
    assert [(one.id, one.state) for one in mine] == [(said.id, "heard")]
    if confirming:
        await (sender if at_sender else receiver).arm(step)
    await two.owner.ask(lambda client: client.account_answer(said.id, confirm=True))
    if confirming:
        await two.die(sender if at_sender else receiver, step)
    await two.all_is_said()
    for side in (two.owner, two.reader):
        sheet = await account(side)
        found = [one.state for one in sheet.payments if one.amount == amount]
        assert found == ["confirmed"]
        assert sheet.paid == f"0.{sum(range(1, number + 2)):02}"


async def test_payments_and_words_on_them_survive_a_kill_at_every_step(
    server: ForkServer, tmp_path: Path
) -> None:
    tally = Tally()
    async with two_homes(partial(Mortal.make, server), tmp_path, tally, 1) as two:
        await paid_grant(two)
        number = 0
        for cmd, confirming in ((Cmd.PAID, False), (Cmd.ACKNOWLEDGE, True)):
            for step in steps_of(cmd):
                at_sender = not step.endswith("served")
                await cut(two, step, number, at_sender=at_sender, confirming=confirming)
                number += 1
    assert sum(tally.deaths.values()) == 8
