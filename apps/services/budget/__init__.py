"""Budget: what was spent, on what, in which month; from the payments that lie in the vault.

    vault ── payments ── rules, transfers ── sums ── drawn, or JSON

Everything is worked out when it is asked for, and nothing is written but the person's own rules.
"""

from __future__ import annotations

from ....node.service import Service
from .command import budget, rule

service = Service(help="See what you spent, on what.", run=budget, more={"rule": rule})
