"""The vocabulary of purposes: the file that is shipped, and files that are none."""

from __future__ import annotations

import pytest

from entrenous.node.grants.vocabulary import purposes
from entrenous.protocol.errors import WireError
from entrenous.protocol.purposes import LANGUAGES, parse_purposes

KNOWN = purposes()


def test_every_purpose_is_said_in_each_language_and_hangs_together() -> None:
    assert len(KNOWN.by_id) > 80
    for purpose in KNOWN.by_id.values():
        assert purpose.id.startswith("dpv:")
        assert purpose.id[4:].isalnum()
        for language in LANGUAGES:
            assert purpose.labels[language].strip() == purpose.labels[language] != ""
        for wider in purpose.under:
            assert wider in KNOWN
    for language in LANGUAGES:
        labels = [one.labels[language] for one in KNOWN.by_id.values()]
        assert len(set(labels)) == len(labels), "two purposes a person could not tell apart"


def test_what_is_under_what() -> None:
    # From the published table of DPV 2.1 (purposes.csv): TargetedAdvertising has broader
    # PersonalisedAdvertising, that has Advertising and Personalisation, that has Marketing.
    assert KNOWN.above("dpv:TargetedAdvertising") == {
        "dpv:TargetedAdvertising",
        "dpv:PersonalisedAdvertising",
        "dpv:Advertising",
        "dpv:Marketing",
        "dpv:Personalisation",
    }
    assert KNOWN.is_under("dpv:DeliveryOfGoods", "dpv:ServiceProvision")
    assert not KNOWN.is_under("dpv:ServiceProvision", "dpv:DeliveryOfGoods")
    assert KNOWN.is_under("dpv:Marketing", "dpv:Marketing")


def test_an_unknown_purpose_is_shown_as_unknown_and_is_under_nothing_but_itself() -> None:
    assert "dpv:WorldDomination" not in KNOWN
    assert KNOWN.label("dpv:WorldDomination") is None
    assert "not a purpose that is known" in KNOWN.shown("dpv:WorldDomination")
    assert "inconnu" in KNOWN.shown("dpv:WorldDomination", "fr")
    assert KNOWN.above("dpv:WorldDomination") == {"dpv:WorldDomination"}
    assert KNOWN.shown("dpv:Marketing", "fr") == "Faire du marketing (dpv:Marketing)"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("version = ", "cannot be read"),
        ('version = "1"', "a version and a table"),
        ("version = 1\n[purposes]\n", "a version and a table"),
        ('purposes = 3\nversion = "1"', "a table of at most"),
        ('version = "1"\n[purposes]\na = { under = [], en = "A" }', "a label in each language"),
        ('version = "1"\n[purposes]\na = { under = [], en = "A", fr = "" }', "a label in each"),
        ('version = "1"\n[purposes]\na = { under = [1], en = "A", fr = "A" }', "a label in each"),
        ('version = "1"\n[purposes]\na = { under = ["b"], en = "A", fr = "A" }', "not there: b"),
        (
            'version = "1"\n[purposes]\na = { under = ["b"], en = "A", fr = "A" }\n'
            'b = { under = ["a"], en = "B", fr = "B" }',
            "under itself",
        ),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        parse_purposes(text)
