"""A bank's file, a real home, a real node: what was spent is the same through either.

file ── import ── vault ── budget, the home opened for it
                     └──── budget, through the node that runs
"""

from __future__ import annotations

import json
from pathlib import Path

from entrenous.simulations.household import generate
from entrenous.tests.node.daemon_process import PASSPHRASE, daemon
from entrenous.tests.node.test_cli_process import entrenous

WORDS = PASSPHRASE.decode()
MONTH = "2025-12"


def test_what_was_spent_is_told_by_a_home_and_by_its_node(tmp_path: Path) -> None:
    home, life = tmp_path / "home", tmp_path / "life"
    generate(7, life, years=1, sources=("banks",))
    known = json.loads((life / "answers.json").read_text())["spending"][MONTH]
    assert entrenous(home, "init", passphrase=WORDS)[0] == 0
    code, _, said = entrenous(home, "budget", passphrase=WORDS)
    assert code == 3
    assert "import your bank's file first" in said
    # The same lines twice: a month's OFX and a quarter's CSV; and the other two banks.
    files = ["bank-a/2025-12.ofx", "bank-a/2025-trimestre.csv", "bank-b/2025.xml", "bank-c"]
    code, _, said = entrenous(
        home, "import", *(str(life / name) for name in files), passphrase=WORDS
    )
    assert code == 0, said
    code, alone, said = entrenous(
        home, "budget", "--month", MONTH, "--zone", "Europe/Paris", "--json", passphrase=WORDS
    )
    assert code == 0, said
    (euros,) = json.loads(alone)["currencies"]
    paid = {row["name"]: row["paid"] for row in euros["rows"]}
    for category in ("housing", "taxes", "restaurants"):
        assert paid[category] == known[category]["paid"]
    moved = [float(known[name]["paid"]) for name in ("transfers", "savings") if name in known]
    assert float(euros["moved"]) == sum(moved)
    with daemon(home, runtime=tmp_path):
        for tokens in (("--json",), ()):
            code, through, said = entrenous(
                home, "budget", "--month", MONTH, "--zone", "Europe/Paris", *tokens
            )
            assert code == 0, said
            assert not tokens or through == alone
        assert entrenous(home, "budget", "rule", "QSDF", "gifts")[0] == 0
