"""What `entrenous electricity --json` prints: its keys, which docs/services.md lists."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ....node.service import Shape

SHAPES: Final[Mapping[str, Shape]] = {
    "electricity": Shape(
        False,
        MappingProxyType(
            {
                "collection": "the collection that was read",
                "first": "first local day",
                "last": "last local day",
                "clock": "whose hours: `meter`, or the name of a time zone",
                "energy_wh": "measured in all, watt-hours, exact",
                "step_s": "the usual interval, seconds",
                "missing_s": "seconds of which nothing is known, between first and last interval",
                "gaps": "the longest of them: `date` and `time` (local) at which it begins, "
                "`seconds`",
                "overlapping": "intervals left out because another covers them",
                "base_w": "what is never switched off, mean watts, or null",
                "months": "each month: `month`, `energy_wh`, `intervals`, `missing_s`, `night_w`, "
                "`base_w`, `base_before_w` (of the year before), null where too little is known",
                "hours_w": "mean watts by hour of the day, 24; null where nothing is known",
                "weekday_wh": "a whole day from Monday to Friday, on average, or null",
                "weekend_wh": "a whole day of a weekend, or null",
                "highest": "the whole days with most: `date`, `energy_wh`",
                "unusual": "hours unlike those of the weeks around: `date`, `hour`, `power_w`, "
                "`usual_w`, `score` (text, two decimals)",
                "tariffs": "what each tariff comes to, the cheapest first: `name`, `currency`, "
                "`days`, `peak_wh`, `off_peak_wh`, `energy`, `standing`, `total`",
                "damaged": "a sentence for each page that did not open",
            }
        ),
    )
}
