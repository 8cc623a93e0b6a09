"""Generated files: the same bytes for a seed, and the answers that come with them are right."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal

import pytest

from entrenous.apps.readers import espi, ofx
from entrenous.crypto.digest import sha256
from entrenous.protocol.reading import Reader, summary
from entrenous.simulations.files import GeneratedFile, bank_file, energy_file


@pytest.mark.parametrize("seed", [0, 1, 7, -3])
@pytest.mark.parametrize("version", [1, 2])
def test_a_bank_file_is_read_as_it_was_meant(seed: int, version: int) -> None:
    check(bank_file(seed, version=version), ofx.reader)


@pytest.mark.parametrize("interval_s", [900, 1800, 3600])
def test_an_energy_file_is_read_as_it_was_meant(interval_s: int) -> None:
    file = energy_file(4, days=5, interval_s=interval_s)
    check(file, espi.reader)
    (item,) = espi.reader.read(file.data, file.name).items
    assert set(item.batch.columns["duration_s"]) == {interval_s}


def check(file: GeneratedFile, reader: Reader) -> None:
    extract = reader.read(file.data, file.name)
    (item,) = extract.items
    (known,) = summary(extract).items
    assert item.path == file.known.path
    assert known.count == file.known.count
    assert item.batch.times[0] == file.known.first_ms
    assert item.batch.times[-1] == file.known.last_ms
    assert known.sums == file.known.sums


def test_the_answers_by_another_way_than_our_readers() -> None:
    bank, meter = bank_file(11), energy_file(11, days=3)
    amounts = [Decimal(a.decode()) for a in re.findall(rb"<TRNAMT>(\S+?)<", bank.data)]
    mantissa, scale = bank.known.sums["EUR"]
    assert len(amounts) == bank.known.count
    assert sum(amounts) == Decimal(mantissa).scaleb(-scale)
    values = [int(v) for v in re.findall(rb"<value>(\d+)<", meter.data)]
    assert len(values) == meter.known.count
    assert meter.known.sums == {"Wh": (sum(values), 1)}


def test_a_year_of_half_hours() -> None:
    file = energy_file(1, first=datetime.date(2024, 1, 1), days=366)
    assert file.known.count == 366 * 48
    assert file.data.count(b"<IntervalReading>") == file.known.count


def test_both_forms_of_a_bank_file_hold_the_same_records() -> None:
    sgml, xml = bank_file(9), bank_file(9, version=2)
    assert sgml.data != xml.data
    assert ofx.reader.read(sgml.data, "a").items == ofx.reader.read(xml.data, "a").items


def test_a_seed_gives_the_same_bytes_for_ever() -> None:
    assert bank_file(1).data == bank_file(1).data != bank_file(2).data
    assert (
        sha256(bank_file(1).data).hex()
        == "9a654b721f65ab7f11d97e21d508adc9d06f1576ec6b7c9160680433ca615b0e"
    )
    assert (
        sha256(energy_file(1, days=7).data).hex()
        == "af9d32090c9d1bda2ecb69823b89246019bec9b69fa7ae39aec68661d2cb0dfb"
    )
