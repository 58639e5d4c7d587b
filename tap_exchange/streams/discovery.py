"""The streams and their columns, as the settings make them; known without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_exchange.ews.columns import extended_properties, stream_schema
from tap_exchange.ews.extended import ExtendedPropertyError
from tap_exchange.resources import ITEM_STREAMS, schema_names
from tap_exchange.settings import OPTIONS, SettingsError
from tap_exchange.settings_values import read_value

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUIRED = ("mailboxes", "folders", "item_changes", "folder_syncs", "sync_runs")
"""Streams without which no view can tell what is true."""

OFF_BY_DEFAULT = frozenset({"inbox_rules", "out_of_office", "delegates", "rooms"})

DELETED_AT = {
    "type": ["string", "null"],
    "format": "date-time",
    "description": "When the item was deleted, in a row that tells the loader to delete it.",
    "x-inclusion": "automatic",
}


def stream_maps(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each stream's schema with `x-` members; raises what a wrong setting of columns raises."""
    settings = {
        option.name: read_value(option, config.get(option.name))
        for option in OPTIONS
        if option.name in {"extended_properties", "include_mime", "tombstones"}
    }
    try:
        extended = extended_properties(settings["extended_properties"])
    except ExtendedPropertyError as error:
        raise SettingsError(str(error)) from error
    maps = {
        name: stream_schema(name, extended=extended, include_mime=bool(settings["include_mime"]))
        for name in schema_names()
    }
    if settings["tombstones"]:
        for name in ITEM_STREAMS:
            maps[name]["properties"]["_sdc_deleted_at"] = dict(DELETED_AT)
    return maps
