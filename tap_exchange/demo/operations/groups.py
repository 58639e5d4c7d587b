"""ExpandDL: who is in a distribution group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo.soap import Call, M, ServiceError, T, failure, response, success
from tap_exchange.demo.values import Address

if TYPE_CHECKING:
    from tap_exchange.demo.exchange import Exchange


def expand_dl(call: Call) -> str:
    """Answer the direct members of a group, each with what it is; groups within it are named, not expanded."""
    operation = "ExpandDL"
    address = (call.body.findtext(f"{M}Mailbox/{T}EmailAddress") or "").strip().lower()
    group = call.exchange.groups.get(address)
    if group is None:
        return response(operation, failure(operation, ServiceError("ErrorNameResolutionNoResults")))
    members = "".join(f"<t:Mailbox>{_member(call.exchange, member).xml()}</t:Mailbox>" for member in group)
    expansion = (
        f'<m:DLExpansion TotalItemsInView="{len(group)}" IncludesLastItemInRange="true">{members}</m:DLExpansion>'
    )
    return response(operation, success(operation, expansion))


def _member(exchange: Exchange, address: str) -> Address:
    mailbox = exchange.mailbox(address)
    if mailbox is not None:
        return Address(mailbox.name, mailbox.address)
    name = address.partition("@")[0]
    kind = "PublicDL" if address.lower() in exchange.groups else "Contact"
    return Address(name, address, mailbox_type=kind)
