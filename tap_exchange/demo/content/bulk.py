"""Items made from their number, for folders with many.

Fifty prototypes per kind hold what is long (bodies, headers, people); an item is a prototype with the
few properties that follow from its number. So a million items weigh nothing, and writing one for a
response joins ready pieces of text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from tap_exchange.demo import bodies, computed, rendering, values
from tap_exchange.demo.content import defaults, words
from tap_exchange.demo.values import Address, Body

if TYPE_CHECKING:
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.rendering import Shape

EPOCH = datetime(2024, 1, 1, 8, tzinfo=timezone.utc)
STEP = timedelta(minutes=7)
PROTOTYPES = 50
UNREAD_EVERY = 5  # divides PROTOTYPES, so that the read flag is a prototype's
# Written anew for each item, because they follow from its place or number.
COMPUTED_EACH = frozenset(
    {"ParentFolderId", "WebClientReadFormQueryString", "InstanceKey", "StoreEntryId", "SearchKey"}
)
MAX_PLANS = 4096
TIMES = frozenset({"DateTimeReceived", "DateTimeSent", "DateTimeCreated", "LastModifiedTime"})


@dataclass(frozen=True, slots=True)
class Bulk:
    """What bulk items look like; every `big_every`-th has a body of `big_bytes`."""

    element: str = "Message"
    body_bytes: int = 2048
    recipients: int = 3
    headers: int = 12
    big_every: int = 0
    big_bytes: int = 1 << 20


class BulkRecipe:
    """Make the items of a `Bulk` from their number."""

    def __init__(self, seed: int, bulk: Bulk) -> None:
        """Take the world's seed and what the items look like."""
        self.seed = seed
        self.bulk = bulk
        self.element = bulk.element
        self._prototypes: dict[tuple[str, int], dict[str, Any]] = {}
        self._plans: dict[tuple[str, int, Shape], list[str]] = {}

    # -- what the contents ask

    def is_read(self, number: int) -> bool:
        """Tell whether the item is born read; every fifth message is not."""
        return self.element != "Message" or number % UNREAD_EVERY != 0

    def unread(self, first: int, count: int) -> int:
        """Count the items born unread."""
        if self.element != "Message":
            return 0
        return (first + count - 1) // UNREAD_EVERY - (first - 1) // UNREAD_EVERY

    def properties(self, folder: Folder, number: int) -> dict[str, Any]:
        """Give all properties of the item."""
        return {**self._prototype(folder, number), **self._own(folder, number)}

    def value(self, folder: Folder, number: int, name: str) -> Any:  # noqa: ANN401 - whatever a property holds
        """Give one property of the item."""
        if name in TIMES:
            return EPOCH + STEP * number
        prototype = self._prototype(folder, number)
        if name in self._own_names:
            return self._own(folder, number).get(name, prototype.get(name))
        return prototype.get(name)

    # -- properties

    @property
    def _own_names(self) -> frozenset[str]:
        return OWN_NAMES.get(self.element, OWN_OF_ALL)

    def _key(self, number: int) -> int:
        big = self.bulk.big_every
        return PROTOTYPES if big and number % big == 0 else number % PROTOTYPES

    def _prototype(self, folder: Folder, number: int) -> dict[str, Any]:
        key = (folder.store.owner, self._key(number))
        prototype = self._prototypes.get(key)
        if prototype is None:
            prototype = self._prototypes[key] = self._make(folder, key[1])
        return prototype

    def _make(self, folder: Folder, key: int) -> dict[str, Any]:
        random = Random(f"{self.seed} {self.bulk} {key}")
        topic = words.topic(random.randrange(1000))
        size = self.bulk.big_bytes if key == PROTOTYPES else self.bulk.body_bytes
        given: dict[str, Any] = {
            "Subject": topic,
            "DateTimeReceived": EPOCH,
            "Body": Body(words.long_html(random, size)),
            "Size": size + 1500 + random.randrange(4000),
            "Importance": random.choices(("Normal", "High", "Low"), (90, 7, 3))[0],
            "Categories": ["Project"] if key % 10 == 3 else None,  # noqa: PLR2004
        }
        if self.element == "Message":
            people = [words.person(random.randrange(2000)) for _ in range(self.bulk.recipients + 1)]
            copied = self.bulk.recipients // 3
            given["From"] = people[0]
            me = Address(folder.store.owner, folder.store.owner)
            given["ToRecipients"] = people[1 : len(people) - copied] or [me]
            given["CcRecipients"] = people[len(people) - copied :] or None
            given["IsRead"] = key % UNREAD_EVERY != 0
            given["InternetMessageHeaders"] = words.headers(random, self.bulk.headers) or None
        result = defaults.properties(folder, key + 1, self.element, given)
        result.update({name: value for name, value in given.items() if value is not None})
        return result

    def _own(self, folder: Folder, number: int) -> dict[str, Any]:
        when = EPOCH + STEP * number
        topic = self._prototype(folder, number)["Subject"]
        own: dict[str, Any] = {"Subject": f"{topic} ({number})"}
        own.update(dict.fromkeys(TIMES, when))
        if self.element == "CalendarItem":
            own.update(Start=when, End=when + timedelta(hours=1), DateTimeStamp=when)
            own["UID"] = f"040000008200E00074C5B7101A82E008{folder.number:016X}{number:016X}"
        elif self.element == "Task":
            own["DueDate"] = (when + timedelta(days=14)).replace(hour=0, minute=0)
        elif self.element == "Contact":
            person = words.person(number)
            own.update(DisplayName=person.name, EmailAddresses={"EmailAddress1": person})
        elif "InternetMessageId" in self._own_names:
            own["InternetMessageId"] = f"<{number:x}.{folder.number:x}.{folder.store.guid}@mail.example>"
        return own

    # -- writing

    def render(self, item: Item, shape: Shape) -> str:
        """Write an item that is still as it was born."""
        folder, number = item.folder, item.number
        key = (folder.store.guid, self._key(number), shape)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            plan = self._plans[key] = self._plan(item, shape)
        own = self._own(folder, number)
        parts = []
        for piece in plan:  # ready XML, or the name of a property to be written
            if piece in own:
                parts.append(values.element(piece, own[piece]))
            elif piece[:1] == "<":
                parts.append(piece)
            elif piece == "ItemId":
                parts.append(rendering.item_id(item))
            elif piece == "MimeContent":
                parts.append(bodies.mime_xml(self.properties(folder, number)))
            elif piece == "ExtendedProperty":
                parts.append(computed.BY_SHAPE[piece](item, shape))
            else:
                parts.append(values.element(piece, computed.ITEM[piece](item)))
        return "".join(parts)

    def _plan(self, item: Item, shape: Shape) -> list[str]:
        names = list(rendering.wanted(shape, self.element))
        names.insert(1 if names[:1] == ["MimeContent"] else 0, "ItemId")
        plan = [f"<t:{self.element}>"]
        each = self._own_names | COMPUTED_EACH | {"ItemId", "ExtendedProperty", "MimeContent"}
        for name in names:
            if name in each:
                plan.append(name)
                continue
            text = rendering.item_property(item, name, shape)
            if plan[-1][:1] == "<":
                plan[-1] += text
            elif text:
                plan.append(text)
        plan.append(f"</t:{self.element}>")
        item.forget_properties()
        return plan


OWN_OF_ALL = TIMES | {"Subject"}
OWN_NAMES: dict[str, frozenset[str]] = {
    "CalendarItem": OWN_OF_ALL | {"Start", "End", "DateTimeStamp", "UID"},
    "Task": OWN_OF_ALL | {"DueDate"},
    "Contact": OWN_OF_ALL | {"DisplayName", "EmailAddresses"},
    **dict.fromkeys((*defaults.MESSAGES, "PostItem"), OWN_OF_ALL | {"InternetMessageId"}),
}


@cache
def recipe_for(seed: int, bulk: Bulk) -> BulkRecipe:
    """Give the recipe of a seed; worlds of the same seed share its prototypes."""
    return BulkRecipe(seed, bulk)
