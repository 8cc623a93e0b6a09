"""Options by which a person says what a file does not say itself.

The profile is read here, where the person is, and handed over as text: the node that imports may
stand in another folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from ...protocol.currency import is_currency
from ...protocol.limits import PROFILE_BYTES_MAX
from ...protocol.reading import Settings, shown
from ..errors import UsageError

FILE_OPTIONS = Group("What a file does not say", sort_key=50)


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Said:
    """For files that can be read in several ways; each is refused where it means nothing."""

    profile: Annotated[
        str | None,
        Parameter(
            group=FILE_OPTIONS,
            help="Columns of a bank's CSV file: a built-in profile or a TOML file.",
        ),
    ] = None
    day_first: Annotated[
        bool | None,
        Parameter(
            group=FILE_OPTIONS,
            negative="--month-first",
            help="In 03/04/2026 the day (or the month) stands first.",
        ),
    ] = None
    decimal: Annotated[
        Literal["comma", "point"] | None,
        Parameter(group=FILE_OPTIONS, help="What stands before the decimals."),
    ] = None
    currency: Annotated[
        str | None, Parameter(group=FILE_OPTIONS, help="The currency of amounts, as in EUR.")
    ] = None
    account: Annotated[
        str | None,
        Parameter(group=FILE_OPTIONS, help="A name or number for the account; the same each time."),
    ] = None

    def settings(self) -> Settings:
        """Raises UsageError for a profile that cannot be read, or a currency of another form."""
        currency = (self.currency or "").upper()
        if currency and not is_currency(currency, past=True):
            raise UsageError("a currency is one of ISO 4217, as in --currency EUR")
        return Settings(
            profile=_profile(self.profile),
            day_first=self.day_first,
            decimal=self.decimal or "",
            currency=currency,
            account=self.account or "",
        )


NOTHING = Said()


def _profile(said: str | None) -> str:
    """The text of a profile's file; the name itself where it names no file."""
    if said is None:
        return ""
    path = Path(said)
    if not (path.suffix or path.is_file()):
        return said
    try:
        with path.open("rb") as file:
            text = file.read(PROFILE_BYTES_MAX + 1).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"the profile {shown(said)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the profile {shown(said)} is no UTF-8 text") from None
    if "=" not in text:
        raise UsageError(f"the profile {shown(said)} describes no columns")
    return text
