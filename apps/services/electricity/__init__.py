"""Electricity: what a load curve tells the person whose curve it is, and what a tariff would cost.

    vault ── curve ── figures, unusual hours, tariffs ── drawn, or JSON

Everything is worked out from the meter's own intervals, in whole numbers; nothing is written.
"""

from __future__ import annotations

from ....node.service import Service
from .command import electricity

service = Service(help="See what your home draws, and what tariffs cost.", run=electricity)
