"""The directory: who is in a group, which rooms there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from . import ask
from .errors import IncompleteAnswer
from .faults import MESSAGES, TYPES
from .personal import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element

    from .answers import Record
    from .soap import Message
    from .transport import Transport

MAILBOX = "Mailbox"
GROUP = "PublicDL"


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a group: its primary SMTP address in lower case, and its MailboxType."""

    address: str
    kind: str


class Directory:
    """The directory that an account sees; an impersonating account asks as itself unless told otherwise.

    An application that signs in by OAuth has no self: it has to ask as `asker`, some mailbox's owner.
    """

    def __init__(self, transport: Transport, asker: str = "") -> None:
        self._transport = transport
        self._asker = asker

    def members(self, group: str) -> tuple[Member, ...]:
        """List the members of a group, not those of the groups in it; others than by SMTP address are left out.

        Raises:
            ExchangeError: there is no such group (ErrorNameResolutionNoResults), or it cannot be read.
        """
        return self._transport.call(
            "ExpandDL",
            ask.expand_group(group),
            mailbox=group,
            read=partial(_members, group=group),
            identity=self._asker,
        )

    def rooms(self) -> list[Record]:
        """List the rooms of all lists of rooms, each with its `room_list` and the list's name."""
        lists = self._transport.call(
            "GetRoomLists", ask.room_lists(), mailbox=self._asker, read=_lists, identity=self._asker
        )
        found = []
        for name, address in lists:
            rooms = self._transport.call(
                "GetRooms", ask.rooms(address), mailbox=self._asker, read=_rooms, identity=self._asker
            )
            found += [room | {"room_list": address.lower(), "room_list_name": name} for room in rooms]
        return found


def _lists(messages: Sequence[Message]) -> list[tuple[str | None, str]]:
    found = messages[0].element.iterfind(f"{MESSAGES}RoomLists/{TYPES}Address")
    named = [(entry.findtext(f"{TYPES}Name"), entry.findtext(f"{TYPES}EmailAddress")) for entry in found]
    return [(name, address.strip()) for name, address in named if address]


def _rooms(messages: Sequence[Message]) -> list[Record]:
    found = [read("rooms", room) for room in messages[0].element.iterfind(f"{MESSAGES}Rooms/{TYPES}Room")]
    return [room | {"room": room["email_address"].strip().lower()} for room in found if room["email_address"]]


def _members(messages: Sequence[Message], group: str) -> tuple[Member, ...]:
    expansion = messages[0].element.find(f"{MESSAGES}DLExpansion")
    if expansion is None:
        raise IncompleteAnswer(f"ExpandDL of {group}: an answer without members", code="IncompleteAnswer")
    if expansion.get("IncludesLastItemInRange", "true") in {"false", "0"}:
        raise IncompleteAnswer(f"ExpandDL of {group}: an answer with a part of the members", code="IncompleteAnswer")
    found = (_member(mailbox) for mailbox in expansion.iterfind(f"{TYPES}Mailbox"))
    return tuple(member for member in found if member is not None)


def _member(mailbox: _Element) -> Member | None:
    address = (mailbox.findtext(f"{TYPES}EmailAddress") or "").strip().lower()
    routing = (mailbox.findtext(f"{TYPES}RoutingType") or "SMTP").strip().upper()
    if routing != "SMTP" or "@" not in address:
        return None
    return Member(address, (mailbox.findtext(f"{TYPES}MailboxType") or MAILBOX).strip())
