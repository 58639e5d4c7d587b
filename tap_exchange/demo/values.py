"""Write property values as the XML that Exchange sends."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def _reference(match: re.Match[str]) -> str:
    return f"&#x{ord(match.group()):X};"


def escape(text: str) -> str:
    """Escape text for an element.

    What XML 1.0 forbids (control characters, lone surrogates) becomes a character reference, as real
    servers do it; a strict parser refuses such a document.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return CONTROL.sub(_reference, text)


def attribute(text: str) -> str:
    """Escape text for an attribute in double quotes."""
    return escape(text).replace('"', "&quot;").replace("\n", "&#xA;").replace("\t", "&#x9;")


@dataclass(frozen=True, slots=True)
class Raw:
    """Ready XML for the inside of an element, with attributes for its start tag if any."""

    xml: str
    attributes: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """An item's body, as HTML or as plain text."""

    content: str
    html: bool = True


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox or recipient, as t:EmailAddressType; None leaves an element out."""

    name: str | None = None
    email: str | None = None
    routing_type: str | None = "SMTP"
    mailbox_type: str | None = "Mailbox"
    item_id: str | None = None

    def xml(self) -> str:
        """Write the inside of a t:Mailbox."""
        parts = []
        if self.name is not None:
            parts.append(f"<t:Name>{escape(self.name)}</t:Name>")
        if self.email:
            parts.append(f"<t:EmailAddress>{escape(self.email)}</t:EmailAddress>")
        if self.routing_type:
            parts.append(f"<t:RoutingType>{self.routing_type}</t:RoutingType>")
        if self.mailbox_type:
            parts.append(f"<t:MailboxType>{self.mailbox_type}</t:MailboxType>")
        if self.item_id:
            parts.append(f'<t:ItemId Id="{self.item_id}"/>')
        return "".join(parts)


class WritesItself:
    """A value that knows its XML: an attendee, a recurrence."""

    __slots__ = ()

    def xml(self) -> str:
        """Write the inside of the element."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Attendee(WritesItself):
    """Somebody invited to a meeting."""

    address: Address
    response: str | None = "Unknown"
    replied: datetime | None = None

    def xml(self) -> str:
        """Write the inside of a t:Attendee."""
        text = f"<t:Mailbox>{self.address.xml()}</t:Mailbox>"
        if self.response is not None:
            text += f"<t:ResponseType>{self.response}</t:ResponseType>"
        if self.replied is not None:
            text += f"<t:LastResponseTime>{moment(self.replied)}</t:LastResponseTime>"
        return text


# The element that holds one entry of a list, by the list's element.
ENTRY = {
    **dict.fromkeys(("RequiredAttendees", "OptionalAttendees", "Resources"), "Attendee"),
    "MSExchangeCertificate": "Base64Binary",
    "UserSMIMECertificate": "Base64Binary",
    "ModifiedOccurrences": "Occurrence",
    "DeletedOccurrences": "DeletedOccurrence",
    "MailboxGuids": "MailboxGuid",
    "Members": "Member",
    "InboxReminders": "InboxReminder",
    "PredictedActionReasons": "PredictedActionReason",
    "MentionsEx": "MentionAction",
    "AppliedHashtags": "AppliedHashtag",
    "Likes": "Like",
    "Urls": "Url",
    "AbchEmailAddresses": "Email",
    "ContactHandles": "ContactHandle",
    "SharingMessageActions": "SharingMessageAction",
    "UserOptions": "VotingOptionData",
    "Permissions": "Permission",
}
# Dictionaries whose entries are <t:Entry Key="...">.
KEYED = frozenset({"EmailAddresses", "PhoneNumbers", "ImAddresses", "PhysicalAddresses"})


@lru_cache(maxsize=1024)
def moment(value: datetime) -> str:
    """Write a time as Exchange does: UTC, no fraction."""
    if value.tzinfo is None:
        return value.strftime("%Y-%m-%dT%H:%M:%S")
    return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


SCALARS = (str, bool, int, float, Decimal, date, bytes)


def scalar(value: Any) -> str:  # noqa: ANN401 - whatever a property holds
    """Write the text of a simple value."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    message = f"cannot write a {type(value).__name__}"
    raise TypeError(message)


def element(name: str, value: Any) -> str:  # noqa: ANN401 - whatever a property holds
    """Write one property as an element; None writes nothing."""
    if value is None:
        return ""
    attributes = ""
    if isinstance(value, SCALARS):
        inside = scalar(value)
    elif isinstance(value, Raw):
        inside, attributes = value.xml, value.attributes
    elif isinstance(value, Body):
        attributes = f' BodyType="{"HTML" if value.html else "Text"}"'
        inside = escape(value.content)
    elif isinstance(value, Address):
        inside = value.xml() if name == "Mailbox" else f"<t:Mailbox>{value.xml()}</t:Mailbox>"
    elif isinstance(value, WritesItself):
        inside = value.xml()
    elif isinstance(value, (list, tuple)):
        inside = entries(name, value)
    else:
        attributes, inside = mapping(name, value)
    if not inside:
        return f"<t:{name}{attributes}/>"
    return f"<t:{name}{attributes}>{inside}</t:{name}>"


def entries(name: str, values: list[Any] | tuple[Any, ...]) -> str:
    """Write the entries of a list property."""
    if name == "InternetMessageHeaders":
        return "".join(
            f'<t:InternetMessageHeader HeaderName="{attribute(header)}">{escape(text)}</t:InternetMessageHeader>'
            for header, text in values
        )
    parts = []
    for value in values:
        if isinstance(value, Address) and name not in ENTRY:
            parts.append(f"<t:Mailbox>{value.xml()}</t:Mailbox>")
        else:
            parts.append(element(ENTRY.get(name, "String"), value))
    return "".join(parts)


def mapping(name: str, values: dict[str, Any]) -> tuple[str, str]:
    """Write a dictionary: keyed entries, or children in the given order with `@name` as attributes, `#` as text."""
    if name in KEYED:
        return "", "".join(keyed_entry(name, key, value) for key, value in values.items())
    attributes = "".join(
        f' {key[1:]}="{attribute(scalar_text(value))}"' for key, value in values.items() if key[0] == "@"
    )
    inside = "".join(
        scalar(value) if key == "#" else element(key, value) for key, value in values.items() if key[0] != "@"
    )
    return attributes, inside


def keyed_entry(name: str, key: str, value: Any) -> str:  # noqa: ANN401 - text, or parts of an address
    """Write one <t:Entry> of a keyed dictionary."""
    if name == "PhysicalAddresses":
        return f'<t:Entry Key="{key}">{mapping("", value)[1]}</t:Entry>'
    if isinstance(value, Address):
        extra = f' Name="{attribute(value.name)}"' if value.name is not None else ""
        extra += f' RoutingType="{value.routing_type}"' if value.routing_type else ""
        extra += f' MailboxType="{value.mailbox_type}"' if value.mailbox_type else ""
        return f'<t:Entry Key="{key}"{extra}>{escape(value.email or "")}</t:Entry>'
    return f'<t:Entry Key="{key}">{escape(value)}</t:Entry>'


def scalar_text(value: Any) -> str:  # noqa: ANN401 - whatever a property holds
    """Write a simple value without escaping it."""
    return value if isinstance(value, str) else scalar(value)
