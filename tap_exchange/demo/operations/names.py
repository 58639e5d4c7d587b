"""ResolveNames and ConvertId: who is who, and which id is which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo import targets, values
from tap_exchange.demo.soap import Call, M, ServiceError, failure, messages, response, success
from tap_exchange.demo.values import Address

if TYPE_CHECKING:
    from lxml import etree

    from tap_exchange.demo.mailbox import Mailbox

CANDIDATES = 100
"""The most that ResolveNames gives."""
SHOWN = 3


def resolve_names(call: Call) -> str:
    """Answer the mailboxes whose address, alias or name begins with the entry."""
    operation = "ResolveNames"
    entry = (call.body.findtext(f"{M}UnresolvedEntry") or "").strip()
    found = _matches(call, entry)
    if not found:
        return response(operation, failure(operation, ServiceError("ErrorNameResolutionNoResults")))
    full = call.body.get("ReturnFullContactData") in {"true", "1"}
    inside = "".join(_resolution(mailbox, full=full) for mailbox in found[:CANDIDATES])
    last = "true" if len(found) <= CANDIDATES else "false"
    inside = (
        f'<m:ResolutionSet TotalItemsInView="{len(found[:CANDIDATES])}" IncludesLastItemInRange="{last}">{inside}'
        "</m:ResolutionSet>"
    )
    if len(found) > 1:
        error = ServiceError("ErrorNameResolutionMultipleResults")
        return response(operation, failure(operation, error, inside, kind="Warning"))
    return response(operation, success(operation, inside))


def _matches(call: Call, entry: str) -> list[Mailbox]:
    address = entry.lower()
    prefix, _, rest = address.partition(":")
    if prefix in {"smtp", "sip"}:
        address = rest
    exact = call.exchange.mailbox(address)
    if exact is not None:
        return [exact]
    if "@" in address:
        return []
    return [
        mailbox
        for mailbox in call.exchange.mailboxes.values()
        if mailbox.address.lower().startswith(address) or mailbox.name.lower().startswith(address)
    ]


def _resolution(mailbox: Mailbox, *, full: bool) -> str:
    address = Address(mailbox.name, mailbox.address)
    contact = ""
    if full:
        given, _, surname = mailbox.name.partition(" ")
        contact = "".join(
            (
                "<t:Contact>",
                values.element("DisplayName", mailbox.name),
                values.element("GivenName", given),
                values.element("EmailAddresses", _addresses(mailbox)),
                values.element("ContactSource", "ActiveDirectory"),
                values.element("Surname", surname),
                "</t:Contact>",
            )
        )
    return f"<t:Resolution><t:Mailbox>{address.xml()}</t:Mailbox>{contact}</t:Resolution>"


def _addresses(mailbox: Mailbox) -> dict[str, str]:
    """Give the addresses that a contact of the directory has room for: three, the primary one in capitals first."""
    proxies = [f"SMTP:{mailbox.address}", *(f"smtp:{alias}" for alias in mailbox.aliases)]
    return {f"EmailAddress{number}": proxy for number, proxy in enumerate(proxies[:SHOWN], 1)}


def convert_id(call: Call) -> str:
    """Answer each id in the wanted format; all formats here are the EWS id."""
    wanted = call.body.get("DestinationFormat", "EwsId")

    def write(element: etree._Element) -> str:
        text = element.get("Id", element.get("FolderId", ""))
        targets.parse(text)
        address = values.attribute(element.get("Mailbox", ""))
        return (
            f'<m:AlternateId xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="t:AlternateIdType" '
            f'Format="{wanted}" Id="{values.attribute(text)}" Mailbox="{address}"/>'
        )

    return messages("ConvertId", call.body.iterfind(f"{M}SourceIds/*"), write)
