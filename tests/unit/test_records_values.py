"""Single values are read exactly, and what is no such value is told from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.ews.values import boolean, day, hexadecimal, integer, moment, number

if TYPE_CHECKING:
    from collections.abc import Callable


def refuses(read: Callable[[str], object], raw: str) -> bool:
    """Say whether a reader takes a text for no value of its kind."""
    try:
        read(raw)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("2025-08-30T18:10:41Z", "2025-08-30T18:10:41Z"),
        ("2025-08-30T18:10:41", "2025-08-30T18:10:41Z"),
        ("2025-08-30T18:10:41.5Z", "2025-08-30T18:10:41.500000Z"),
        ("2025-08-30T18:10:41.1234567Z", "2025-08-30T18:10:41.123456Z"),
        ("2025-08-30T18:10:41+02:00", "2025-08-30T16:10:41Z"),
        ("2025-01-01T00:30:00.25-03:30", "2025-01-01T04:00:00.250000Z"),
        (" 2025-08-30T18:10:41Z\n", "2025-08-30T18:10:41Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("4501-01-01T00:00:00Z", "4501-01-01T00:00:00Z"),
        ("", None),
        (None, None),
    ],
)
def test_times_are_rfc_3339_in_utc(raw: str | None, value: str | None) -> None:
    assert moment(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        "yesterday",
        "2025-02-30T00:00:00Z",
        "2025-08-30T24:00:00Z",
        "2025-08-30 18:10:41Z",
        "20250830T181041Z",
        "2025-W35-6T18:10:41Z",
        "2025-08-30T18:10:41.Z",
        "2025-08-30T18:10:41+2:00",
        "2025-08-30T18:10:41+15:00",
        "2025-08-30T18:10:41Z+02:00",
        "0001-01-01T00:00:00+02:00",
        "\uff12\uff10\uff12\uff15-08-30T18:10:41Z",
        "-0001-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_told_from_times(raw: str) -> None:
    assert refuses(moment, raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("2025-07-02Z", "2025-07-02"),
        ("2025-07-02+02:00", "2025-07-02"),
        ("2025-07-02", "2025-07-02"),
        ("2025-07-02T23:00:00-08:00", "2025-07-02"),
        ("", None),
    ],
)
def test_dates_keep_the_day_that_is_written(raw: str, value: str | None) -> None:
    assert day(raw) == value


@pytest.mark.parametrize("raw", ["2025-07", "2025-13-01", "2025-07-02x", "2025-07-02T", "02.07.2025"])
def test_what_is_no_date_is_told_from_dates(raw: str) -> None:
    assert refuses(day, raw)


def test_numbers_fit_a_warehouse_or_are_told_from_numbers() -> None:
    assert [integer(raw) for raw in ("-5", "+7", " 8 ", "9223372036854775807", "", None)] == [
        -5,
        7,
        8,
        2**63 - 1,
        None,
        None,
    ]
    assert [number(raw) for raw in ("50", "-1.5e3", "")] == [50.0, -1500.0, None]
    assert all(
        refuses(integer, raw) for raw in ("1_0", "\u0663", "1.5", "-", "9223372036854775808", "9" * 9999, "many")
    )
    assert all(refuses(number, raw) for raw in ("NaN", "INF", "1e999", "1_0", "half"))


def test_bytes_become_hexadecimal_digits() -> None:
    assert hexadecimal("+sPLcg==\n") == "fac3cb72"
    assert hexadecimal("") is None
    assert all(refuses(hexadecimal, raw) for raw in ("+sPLcg=", "é", "+s_Lcg=="))


def test_truth_values_are_the_four_words_of_xml_in_any_letters() -> None:
    assert [boolean(raw) for raw in ("true", "false", "1", "0", " true ")] == [True, False, True, False, True]
    assert [boolean(raw) for raw in ("", " ", None)] == [None, None, None]
    assert [boolean(raw) for raw in ("True", "FALSE")] == [True, False]
    assert all(refuses(boolean, raw) for raw in ("yes", "2"))
