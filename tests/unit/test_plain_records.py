"""Records that go out as they are: the same lines that the SDK would write, whatever is selected."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

import pytest

from tap_exchange.streams.outlet import Outlet
from tap_exchange.tap import TapExchange

CONFIG = {"ews_url": "demo://"}
RECORD = {
    "item_key": "0" * 32,
    "subject": "Über",
    "from_address": {"name": None, "email_address": "a@example.com", "routing_type": "SMTP", "mailbox_type": None},
    "to_recipients": [{"name": "B", "email_address": "b@example.com"}],
    "mime_content": "TUlNRQ==",
    "synced_at": "2026-01-31T08:15:00.000001Z",
}


def lines(catalog: dict[str, Any] | None, *, by_the_sdk: bool, **config: object) -> tuple[bool | None, Any]:
    reader, writer = os.pipe()
    tap = TapExchange(config={**CONFIG, **config}, catalog=catalog)
    tap.message_writer = Outlet(writer)
    stream = tap.exchange_streams["messages"]
    record = copy.deepcopy(RECORD)
    if by_the_sdk:
        stream._write_record_message(record)
    else:
        stream.emit(record)
    tap.outlet.flush()
    os.close(writer)
    written = json.loads(os.read(reader, 100_000))
    os.close(reader)
    written.pop("time_extracted")
    return stream._is_plain, written


def catalog_without(*breadcrumb: str) -> dict[str, Any]:
    catalog = json.loads(json.dumps(TapExchange(config=CONFIG).catalog_dict))
    for stream in catalog["streams"]:
        if stream["tap_stream_id"] == "messages":
            for entry in stream["metadata"]:
                if tuple(entry["breadcrumb"]) == breadcrumb:
                    entry["metadata"]["selected"] = False
    return catalog


@pytest.mark.parametrize(
    ("left_out", "is_plain"),
    [
        ((), True),
        (("properties", "subject"), True),
        (("properties", "from_address"), True),
        (("properties", "from_address", "properties", "name"), False),
    ],
)
def test_a_plain_record_is_the_line_that_the_sdk_would_write(left_out: tuple[str, ...], *, is_plain: bool) -> None:
    catalog = catalog_without(*left_out) if left_out else None
    was_plain, ours = lines(catalog, by_the_sdk=False)
    assert was_plain is is_plain
    assert ours == lines(catalog, by_the_sdk=True)[1]


@pytest.mark.parametrize(
    "config",
    [
        {"flattening_enabled": True, "flattening_max_depth": 1},
        {"stream_maps": {"messages": {"subject": "subject.upper()"}}},
        {"stream_maps": {"messages": {"__alias__": "mails"}}},
    ],
)
def test_stream_maps_and_flattening_are_the_sdks(config: dict[str, Any]) -> None:
    was_plain, ours = lines(None, by_the_sdk=False, **config)
    assert not was_plain
    assert ours == lines(None, by_the_sdk=True, **config)[1]
