"""The small tables, off by default: a mailbox's rules, absence and delegates, the organization's rooms.

Each run asks for all of one and writes it anew. What an earlier run wrote and is no longer there gets `deleted_at`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tap_exchange.ews import personal
from tap_exchange.ews.directory import Directory
from tap_exchange.ews.errors import SurvivableError, TransientError
from tap_exchange.sync.keys import surrogate
from tap_exchange.sync.page import Page, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_exchange.ews.answers import Record
    from tap_exchange.ews.operations import Mailbox
    from tap_exchange.sync.run import Run
    from tap_exchange.sync.store import StoreSync

logger = logging.getLogger(__name__)

ROOMS = "rooms"


@dataclass(frozen=True, slots=True)
class Table:
    """One of the small tables of a mailbox: how it is asked for, and what of a record its key is made of."""

    ask: Callable[[Mailbox], list[Record]]
    key: str | None = None
    of: tuple[str, ...] = ()

    def keyed(self, mailbox: str, record: Record) -> str:
        """Put a record's key into it, and return what stands for it in the bookmark."""
        told = next((str(record[name]) for name in self.of if record.get(name)), "")
        key = surrogate(mailbox, told)
        if self.key is not None:
            record[self.key] = key
        return key


TABLES = {
    personal.RULES: Table(personal.inbox_rules, "rule_key", ("rule_id",)),
    personal.ABSENCE: Table(personal.out_of_office),
    personal.DELEGATES: Table(
        personal.delegates,
        "delegate_key",
        ("sid", "primary_smtp_address", "external_user_identity", "distinguished_user", "display_name"),
    ),
}


async def write_personal(store: StoreSync, *, everything: bool) -> None:
    """Write what the owner of a mailbox has set, as far as it is selected; a sample goes without.

    No notification tells of it: unless `everything` is due, only what no run has written yet is asked for, nor this
    one tried in vain.
    """
    for name, table in TABLES.items():
        if name not in store.run.selection.streams or store.name != "primary":
            continue
        if not everything and (name in store.mark.get("personal", ()) or store.has_failed(name)):
            continue
        if store.run.sample or store.must_stop():
            return
        try:
            records = await store.run.conveyor.call(table.ask, store.wire)
        except TransientError:
            raise
        except SurvivableError as error:
            text = f"{name} cannot be read: {error}"
            if error.code == "ErrorAccessDenied":
                store.warn(text)
            else:
                store.fail_folder(text, name)
            continue
        rows = {table.keyed(store.mailbox, record): record | {"mailbox": store.mailbox} for record in records}
        known = store.mark.setdefault("personal", {})
        gone = {key: {"mailbox": store.mailbox, table.key: key} for key in known.get(name, ()) if table.key}
        await _write(store.run, name, (rows, gone), partial(known.__setitem__, name, list(rows)))


async def write_rooms(run: Run) -> None:
    """Write the rooms of the organization, if they are selected; of several shards, the first does.

    It asks in the name of a mailbox of its own or, having none, of another shard's, which is no row's then.
    """
    if ROOMS not in run.selection.streams or run.settings.shard_index or run.sample or run.out_of_time():
        return
    mailbox = min(run.roster.taken, default=None)
    asker = mailbox or min(run.bookmarks.addresses.values(), default=None)
    if asker is None:
        return
    try:
        records = await run.conveyor.call(Directory(run.transport, asker).rooms)
    except SurvivableError as error:
        logger.warning("rooms cannot be read: %s", error)
        run.totals.failures["", "", ROOMS] = f"rooms cannot be read: {error}"
        return
    rows = {f"{room['room_list']} {room['room']}": room | {"mailbox": mailbox} for room in records}
    known = run.bookmarks.rooms
    gone = {key: dict(zip(("room_list", "room"), key.split(" "), strict=True)) for key in known}
    await _write(run, ROOMS, (rows, gone), partial(known.__setitem__, slice(None), list(rows)))


async def _write(
    run: Run, stream: str, told: tuple[dict[str, Record], dict[str, Record]], keep: Callable[[], None]
) -> None:
    rows, before = told

    def opening() -> Iterator[Row]:
        stamp = run.clock.stamp()
        for record in rows.values():
            yield Row(stream, record | {"listed_at": stamp, "deleted_at": None})
        for key, record in before.items():
            if key not in rows:
                yield Row(stream, record | {"listed_at": stamp, "deleted_at": stamp})

    await (await run.conveyor.put(Page(opening=opening, advance=keep)))
