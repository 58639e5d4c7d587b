"""Records that go out as they are: the same lines that the SDK would write, whatever is selected."""

from __future__ import annotations

import copy
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.streams.outlet import Outlet
from tap_exchange.tap import TapExchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.streams.stream import ExchangeStream

CONFIG = {"ews_url": "demo://"}
RECORD = {
    "item_key": "0" * 32,
    "subject": "Über",
    "from_address": {"name": None, "email_address": "a@example.com", "routing_type": "SMTP", "mailbox_type": None},
    "to_recipients": [{"name": "B", "email_address": "b@example.com"}],
    "mime_content": "TUlNRQ==",
    "feed_id": "9f2c4e61ab07",
    "synced_at": "2026-01-31T08:15:00.000001Z",
}


def by_the_sdk(stream: ExchangeStream, record: dict[str, Any]) -> None:
    stream._write_record_message(record)


def emitted(stream: ExchangeStream, record: dict[str, Any]) -> None:
    stream.emit(record)


def packed(stream: ExchangeStream, record: dict[str, Any]) -> None:
    feed_id, synced_at = record.pop("feed_id"), record.pop("synced_at")
    bytes_ = stream.pack(record)
    if bytes_ is None:
        stream.emit(record | {"feed_id": feed_id, "synced_at": synced_at})
    else:
        stream.emit_packed(bytes_, feed_id, synced_at)


def line(
    catalog: dict[str, Any] | None, write: Callable[[ExchangeStream, dict[str, Any]], None], **config: object
) -> tuple[bool, Any]:
    """Whether a record went out as it is, and its line."""
    reader, writer = os.pipe()
    tap = TapExchange(config={**CONFIG, **config}, catalog=catalog)
    tap.message_writer = Outlet(writer)
    stream = tap.exchange_streams["messages"]
    record = copy.deepcopy(RECORD)
    write(stream, record)
    tap.outlet.flush()
    os.close(writer)
    written = json.loads(os.read(reader, 100_000))
    os.close(reader)
    extracted = written.pop("time_extracted")
    assert extracted == "2026-01-31T08:15:00.000001+00:00" or write is by_the_sdk or not stream._is_plain
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
@pytest.mark.parametrize("write", [emitted, packed])
def test_a_plain_record_is_the_line_that_the_sdk_would_write(
    left_out: tuple[str, ...], write: Callable[[ExchangeStream, dict[str, Any]], None], *, is_plain: bool
) -> None:
    catalog = catalog_without(*left_out) if left_out else None
    was_plain, ours = line(catalog, write)
    assert was_plain is is_plain
    assert ours == line(catalog, by_the_sdk)[1]


@pytest.mark.parametrize(
    "config",
    [
        {"flattening_enabled": True, "flattening_max_depth": 1},
        {"stream_maps": {"messages": {"subject": "subject.upper()"}}},
        {"stream_maps": {"messages": {"__alias__": "mails"}}},
    ],
)
@pytest.mark.parametrize("write", [emitted, packed])
def test_stream_maps_and_flattening_are_the_sdks(
    config: dict[str, Any], write: Callable[[ExchangeStream, dict[str, Any]], None]
) -> None:
    was_plain, ours = line(None, write, **config)
    assert not was_plain
    assert ours == line(None, by_the_sdk, **config)[1]
