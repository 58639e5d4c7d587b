"""EWS elements for tests, written as short XML with the prefix t, and Microsoft's schema when it is there."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
XSD = Path(os.environ.get("EWS_XSD") or Path(__file__).resolve().parents[2] / "shared" / "ews" / "xsd")
NAMESPACES = f'xmlns:t="{TYPES}" xmlns:m="{MESSAGES}"'

NO_SCHEMA = "Microsoft's schema is not here"
needs_xsd = pytest.mark.skipif(not XSD.is_dir(), reason=NO_SCHEMA)


def element(xml: str) -> etree._Element:
    """Parse one element; the prefixes t and m are declared for it."""
    return etree.fromstring(f"<m:Items {NAMESPACES}>{xml}</m:Items>")[0]


def item(name: str, content: str = "") -> etree._Element:
    """Make an item or folder that has an id."""
    id_name = "FolderId" if name.endswith("Folder") else "ItemId"
    return element(f'<t:{name}><t:{id_name} Id="AAMk=" ChangeKey="CQ=="/>{content}</t:{name}>')


@cache
def enumeration(simple_type: str) -> frozenset[str]:
    """Return the values that types.xsd allows for one of its types."""
    found = etree.parse(str(XSD / "types.xsd")).iterfind(
        f"{{*}}simpleType[@name='{simple_type}']//{{*}}enumeration",
    )
    return frozenset(value.get("value", "") for value in found)


@cache
def message_schema() -> etree.XMLSchema:
    """Compile Microsoft's schema of requests and responses."""
    return etree.XMLSchema(etree.parse(str(XSD / "messages.xsd")))
