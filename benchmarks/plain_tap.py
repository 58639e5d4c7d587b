"""A plain tap, as one would write it in an afternoon: exchangelib's own sync and fetch, the SDK's defaults.

It is what the benchmark stands beside: the same server, the same columns, one folder after the other, state kept at
the end of each. Run it like any tap: python benchmarks/plain_tap.py --config config.json [--state state.json]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchangelib import DELEGATE, Account, Configuration, Credentials, Message
from exchangelib.protocol import BaseProtocol
from singer_sdk import Stream, Tap
from singer_sdk import typing as th

from tap_exchange.resources import catalog_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchangelib.folders import BaseFolder

BaseProtocol.SESSION_POOLSIZE = 4
FIELDS = [field.name for field in Message.FIELDS if field.name not in {"mime_content", "attachments"}]


class Messages(Stream):
    """All messages of a mailbox."""

    name = "messages"
    primary_keys = ("item_id",)
    replication_key = None
    schema = {"properties": {**catalog_schema("messages")["properties"], "item_id": {"type": "string"}}}  # noqa: RUF012

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:  # noqa: ANN401, ARG002
        """Yield what changed since the state of the run before."""
        config = Configuration(
            service_endpoint=self.config["ews_url"],
            credentials=Credentials(self.config["username"], self.config["password"]),
            auth_type="basic",
            max_connections=4,
        )
        account = Account(self.config["username"], config=config, autodiscover=False, access_type=DELEGATE)
        for folder in account.msg_folder_root.walk():
            yield from self._folder(account, folder)

    def _folder(self, account: Account, folder: BaseFolder) -> Iterable[dict[str, Any]]:
        states = self.stream_state.setdefault("folders", {})
        ids = []
        for kind, item in folder.sync_items(sync_state=states.get(folder.id), only_fields=["subject"]):
            if kind in {"create", "update"} and isinstance(item, Message):
                ids.append(item)
            elif kind == "read_flag_change":
                ids.append(item[0])
        states[folder.id] = folder.item_sync_state
        for item in account.fetch(ids, only_fields=[field for field in FIELDS if field not in {"id"}], chunk_size=10):  # noqa: FURB171
            if isinstance(item, Message):
                yield record(item)


def record(item: Message) -> dict[str, Any]:
    """Return a record of the same columns."""
    made: dict[str, Any] = {"item_id": item.id, "change_key": item.changekey, "subject": item.subject}
    made["from_address"] = address(item.author)
    made["sender"] = address(item.sender)
    made["to_recipients"] = [address(one) for one in item.to_recipients or ()]
    made["cc_recipients"] = [address(one) for one in item.cc_recipients or ()]
    made["internet_message_headers"] = [{"name": one.name, "value": one.value} for one in item.headers or ()]
    made["body"] = str(item.body) if item.body is not None else None
    made["date_time_received"] = item.datetime_received
    made["date_time_sent"] = item.datetime_sent
    made["date_time_created"] = item.datetime_created
    made["last_modified_time"] = item.last_modified_time
    made["categories"] = item.categories
    for name in (
        "is_read",
        "is_draft",
        "importance",
        "sensitivity",
        "size",
        "has_attachments",
        "culture",
        "in_reply_to",
    ):
        made[name] = getattr(item, name)
    made["internet_message_id"] = item.message_id
    made["conversation_topic"] = item.conversation_topic
    return made


def address(mailbox: Any) -> dict[str, Any] | None:  # noqa: ANN401 - of exchangelib
    """Return an address as an object."""
    if mailbox is None:
        return None
    return {"name": mailbox.name, "email_address": mailbox.email_address, "routing_type": mailbox.routing_type}


class PlainTap(Tap):
    """The plain tap."""

    name = "plain-tap"
    config_jsonschema = th.PropertiesList(
        th.Property("ews_url", th.StringType),
        th.Property("username", th.StringType),
        th.Property("password", th.StringType),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """Return the one stream."""
        return [Messages(self)]


if __name__ == "__main__":
    PlainTap.cli()
