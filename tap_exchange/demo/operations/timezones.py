"""GetServerTimeZones."""

from __future__ import annotations

from tap_exchange.demo.soap import Call, M, T, response, success
from tap_exchange.demo.zones import ZONES, definition


def get_server_time_zones(call: Call) -> str:
    """Answer the time zones the server knows, all or the asked ones, with their rules when wanted."""
    operation = "GetServerTimeZones"
    asked = [element.text for element in call.body.iterfind(f"{M}Ids/{T}Id")]
    full = call.body.get("ReturnFullTimeZoneData") in {"true", "1"}
    zones = [zone for zone in ZONES.values() if not asked or zone.id in asked]
    inside = "".join(definition(zone, full=full) for zone in zones)
    return response(operation, success(operation, f"<m:TimeZoneDefinitions>{inside}</m:TimeZoneDefinitions>"))
