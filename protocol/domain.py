"""Domain names, as an organisation claims one: `example.org`.

There is one form: lower case, ASCII (labels of other scripts as `xn--…`), two labels or more, no
dot at the end, and a last label that is no number, so that an address is never taken for a name.
Names that lead nowhere but home (`localhost`, `local`, `internal`, …) are no domains of anybody.

What a person is shown is this ASCII form first.  A label in another script is spelled out beside it
only if it stays within one script: `xn--pple-43d.com` would be shown with a Cyrillic letter that
nobody can tell from ours, so it is said to mix scripts instead.

Source: RFC 1123, section 2.1; RFC 5891 (by the library `idna`); RFC 6761.
"""

from __future__ import annotations

import re
import unicodedata

from .errors import WireError

DOMAIN_CHARS_MAX = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
# Special-use names, and the two that routers and clouds answer for.
_NOBODYS = frozenset(
    ("alt", "arpa", "corp", "home", "internal", "invalid", "lan", "local", "localhost", "onion")
)
_PUNYCODE = "xn--"
# Scripts that one language writes together.
_TOGETHER = frozenset(("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"))


def check_domain_name(text: str) -> str:
    """Return `text` if it is a domain in its one form.  Raises WireError."""
    if len(text) > DOMAIN_CHARS_MAX or _DOMAIN.fullmatch(text) is None:
        raise WireError(
            "a domain is two or more labels of a-z, 0-9 and -, such as example.org; other scripts "
            "are written as xn--…"
        )
    last = text.rsplit(".", 1)[1]
    if _NUMBER.fullmatch(last) is not None or last in _NOBODYS:
        raise WireError("a domain is a name that the public internet knows: not an address")
    for label in text.split("."):
        if label.startswith(_PUNYCODE):
            _spelled(label)
        elif label[2:4] == "--":
            raise WireError("a label of a domain has -- where only xn-- may have it")
    return text


def domain_from_text(text: str) -> str:
    """The one form of a domain as a person writes it: any case, any script.  Raises WireError."""
    import idna  # its tables take a few milliseconds: only where a name is written or shown

    try:
        ascii_form = idna.encode(text.strip(), uts46=True).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise WireError("this is not a domain name") from error
    return check_domain_name(ascii_form)


def shown_domain(domain: str) -> str:
    """A checked domain for the eye: itself, and what its `xn--` labels spell or mix."""
    if _PUNYCODE not in domain:
        return domain
    labels = [
        _spelled(label) if label.startswith(_PUNYCODE) else label for label in domain.split(".")
    ]
    if any(mixes_scripts(label) for label in labels):
        return f"{domain} (a name that mixes scripts: it may imitate another)"
    return f"{domain} (spelled {'.'.join(labels)})"


def mixes_scripts(text: str) -> bool:
    """Whether the letters of `text` come from more than one script."""
    found = {_script(character) for character in text if character.isalpha()}
    return len(found) > 1 and not found <= _TOGETHER


def _script(character: str) -> str:
    # The standard library has no table of scripts; the first word of a letter's name is its script.
    return unicodedata.name(character, "?").split()[0].split("-")[0]


def _spelled(label: str) -> str:
    """What an `xn--` label spells.  Raises WireError for one that no registry takes."""
    import idna

    try:
        spelled = idna.decode(label)
        again = idna.encode(spelled).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise WireError("a label of a domain that begins with xn-- spells nothing") from error
    if again != label:
        raise WireError("a label of a domain is not in its one form")
    return spelled
