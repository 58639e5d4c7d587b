"""What the owner of a mailbox has set: rules, an absence, delegates; and the organization's rooms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_exchange.demo import values
from tap_exchange.demo.values import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

# In the order of t:RulePredicatesType and t:RuleActionsType, as far as a rule here may have them.
PREDICATES = (
    "ContainsBodyStrings",
    "ContainsSenderStrings",
    "ContainsSubjectStrings",
    "FromAddresses",
    "HasAttachments",
)
ACTIONS = ("AssignCategories", "Delete", "ForwardToRecipients", "MarkAsRead", "MoveToFolder", "StopProcessingRules")
FOLDERS = ("calendar", "tasks", "inbox", "contacts", "notes", "journal")


@dataclass(slots=True)
class Rule:
    """One rule of an Inbox; its parts are by element name: texts, addresses, true, or a folder."""

    id: str
    name: str
    priority: int
    conditions: Mapping[str, object] = field(default_factory=dict)
    exceptions: Mapping[str, object] = field(default_factory=dict)
    actions: Mapping[str, object] = field(default_factory=dict)
    enabled: bool = True

    def xml(self) -> str:
        """Write the rule as a t:Rule."""
        parts = [
            values.element("RuleId", self.id),
            values.element("DisplayName", self.name),
            values.element("Priority", self.priority),
            values.element("IsEnabled", self.enabled),
            _parts("Conditions", self.conditions, PREDICATES),
            _parts("Exceptions", self.exceptions, PREDICATES),
            _parts("Actions", self.actions, ACTIONS),
        ]
        return f"<t:Rule>{''.join(parts)}</t:Rule>"


def _parts(name: str, given: Mapping[str, object], order: Iterable[str]) -> str:
    inside = "".join(_part(part, given[part]) for part in order if part in given)
    return f"<t:{name}>{inside}</t:{name}>" if inside else ""


def _part(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"<t:{name}>{str(value).lower()}</t:{name}>"
    if isinstance(value, (list, tuple)):
        entries = [f"<t:Address>{one.xml()}</t:Address>" if isinstance(one, Address) else _text(one) for one in value]
        return f"<t:{name}>{''.join(entries)}</t:{name}>"
    return f'<t:{name}><t:FolderId Id="{getattr(value, "id", "")}"/></t:{name}>'


def _text(value: object) -> str:
    return f"<t:String>{values.escape(str(value))}</t:String>"


@dataclass(slots=True)
class Absence:
    """What a mailbox answers while its owner is away."""

    state: str = "Disabled"
    audience: str = "None"
    start: datetime | None = None
    end: datetime | None = None
    internal_reply: str = ""
    external_reply: str = ""

    def xml(self) -> str:
        """Write the inside of t:OofSettings."""
        span = ""
        if self.start is not None and self.end is not None:
            inside = values.element("StartTime", self.start) + values.element("EndTime", self.end)
            span = f"<t:Duration>{inside}</t:Duration>"
        return (
            f"<t:OofState>{self.state}</t:OofState><t:ExternalAudience>{self.audience}</t:ExternalAudience>{span}"
            f"<t:InternalReply><t:Message>{values.escape(self.internal_reply)}</t:Message></t:InternalReply>"
            f"<t:ExternalReply><t:Message>{values.escape(self.external_reply)}</t:Message></t:ExternalReply>"
        )


@dataclass(slots=True)
class Delegate:
    """Somebody who may act for a mailbox's owner; `levels` are permission levels by folder."""

    address: str
    name: str
    sid: str
    levels: Mapping[str, str] = field(default_factory=dict)
    copies: bool = False
    private: bool = False

    def xml(self) -> str:
        """Write the inside of an m:DelegateUser."""
        who = (
            values.element("SID", self.sid)
            + values.element("PrimarySmtpAddress", self.address)
            + values.element("DisplayName", self.name)
        )
        levels = "".join(
            values.element(f"{folder.title()}FolderPermissionLevel", self.levels.get(folder, "None"))
            for folder in FOLDERS
        )
        return (
            f"<t:UserId>{who}</t:UserId><t:DelegatePermissions>{levels}</t:DelegatePermissions>"
            + values.element("ReceiveCopiesOfMeetingMessages", self.copies)
            + values.element("ViewPrivateItems", self.private)
        )


@dataclass(slots=True)
class Personal:
    """All of it, of one mailbox."""

    rules: list[Rule] = field(default_factory=list)
    absence: Absence = field(default_factory=Absence)
    delegates: list[Delegate] = field(default_factory=list)
    delivery: str = "DelegatesAndSendInformationToMe"

    def add_rule(
        self,
        name: str,
        conditions: Mapping[str, object] | None = None,
        actions: Mapping[str, object] | None = None,
        exceptions: Mapping[str, object] | None = None,
    ) -> Rule:
        """Add a rule behind the others."""
        number = 1 + max((rule.priority for rule in self.rules), default=0)
        rule = Rule(f"dCsAAAB{number:03d}w=", name, number, conditions or {}, exceptions or {}, actions or {})
        self.rules.append(rule)
        return rule

    def add_delegate(self, address: str, **levels: str) -> Delegate:
        """Add a delegate with permission levels by folder."""
        name = address.partition("@")[0].title()
        delegate = Delegate(address, name, f"S-1-5-21-1-2-3-{1000 + len(self.delegates)}", levels)
        self.delegates.append(delegate)
        return delegate
