"""The operations, by name; each takes a call and gives the inside of the SOAP body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo.operations import (
    attachments,
    find,
    folders,
    groups,
    items,
    names,
    notifications,
    personal,
    sync,
    timezones,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.faultplan import Answer
    from tap_exchange.demo.soap import Call

OPERATIONS: dict[str, Callable[[Call], str | Answer]] = {
    "ConvertId": names.convert_id,
    "ExpandDL": groups.expand_dl,
    "FindFolder": find.find_folder,
    "FindItem": find.find_item,
    "GetAttachment": attachments.get_attachment,
    "GetDelegate": personal.get_delegate,
    "GetEvents": notifications.get_events,
    "GetFolder": folders.get_folder,
    "GetInboxRules": personal.get_inbox_rules,
    "GetItem": items.get_item,
    "GetRoomLists": personal.get_room_lists,
    "GetRooms": personal.get_rooms,
    "GetServerTimeZones": timezones.get_server_time_zones,
    "GetStreamingEvents": notifications.get_streaming_events,
    "GetUserOofSettingsRequest": personal.get_user_oof_settings,
    "ResolveNames": names.resolve_names,
    "Subscribe": notifications.subscribe,
    "SyncFolderHierarchy": sync.sync_folder_hierarchy,
    "SyncFolderItems": sync.sync_folder_items,
    "Unsubscribe": notifications.unsubscribe,
}
