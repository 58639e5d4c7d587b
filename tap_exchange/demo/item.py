"""An item of a folder, and the edits a person makes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_exchange.demo import appointments, ids

if TYPE_CHECKING:
    from datetime import datetime

    from tap_exchange.demo.attachments import Attachment
    from tap_exchange.demo.contents import Contents
    from tap_exchange.demo.extended import Extended
    from tap_exchange.demo.filling import Block, Recipe
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.series import Series

# The first byte of a change key tells the kind of object.
TYPE_BYTES = {"CalendarItem": 0x0F, "Contact": 0x11, "DistributionList": 0x12, "Task": 0x13, "PostItem": 0x14}
MESSAGE_TYPE_BYTE = 0x09


class Item:
    """One item; edits are thread-safe and go through the store's change log."""

    __slots__ = (
        "__weakref__", "_block", "_extended", "_properties", "associated", "attachments", "change", "element",
        "folder", "fragments", "gone", "number", "read_change", "series",
    )  # fmt: skip

    def __init__(
        self,
        folder: Folder,
        number: int,
        element: str,
        change: int,
        properties: dict[str, Any] | None = None,
        *,
        block: Block | None = None,
        associated: bool = False,
    ) -> None:
        """Hold an item that the folder has numbered; with a block its properties are made when asked."""
        self.folder = folder
        self.number = number
        self.element: str = element
        self.change = change
        self.read_change = 0
        self.associated = associated
        self.gone = False
        self.attachments: list[Attachment] = []
        self.fragments: dict[str, str] = {}
        self.series: Series | None = None
        self._extended: dict[Extended, Any] = {}
        self._block = block
        self._properties = properties

    @property
    def id(self) -> str:
        """Give the EWS id."""
        return self.folder.item_prefix + ids.item_suffix(self.number)

    @property
    def change_key(self) -> str:
        """Give the change key, which moves with each change but that of the read flag."""
        return self.folder.store.ids.change_key(TYPE_BYTES.get(self.element, MESSAGE_TYPE_BYTE), self.change)

    @property
    def properties(self) -> dict[str, Any]:
        """Give the stored properties by element name; edit them with `update`."""
        if self._properties is None:
            assert self._block is not None  # noqa: S101 - an item without properties comes from a block
            self._properties = self._block.recipe.properties(self.folder, self.number)
        return self._properties

    @property
    def newborn(self) -> Recipe | None:
        """Give the recipe of an item still as its block made it, else None."""
        return self._block.recipe if self._properties is None and self._block is not None else None

    def forget_properties(self) -> None:
        """Let go of what was made for reading an item that nobody edited."""
        if self._block is not None and self.contents.owned(self.number) is None:
            self._properties = None
            self.fragments.clear()

    def value(self, name: str) -> Any:  # noqa: ANN401 - whatever a property holds
        """Give one stored property; cheaper than all of them for an item still in its block."""
        if self._properties is None and self._block is not None:
            return self._block.recipe.value(self.folder, self.number, name)
        return self.properties.get(name)

    @property
    def extended(self) -> dict[Extended, Any]:
        """Give the extended (MAPI) properties; edit them with `update(extended=...)`."""
        return self._extended

    @property
    def unread(self) -> bool:
        """Tell whether the item counts as unread in its folder."""
        if self._properties is None and self._block is not None:
            return not self._block.recipe.is_read(self.number)
        return self.properties.get("IsRead") is False

    @property
    def contents(self) -> Contents:
        """Give the part of the folder that holds this item."""
        return self.folder.associated if self.associated else self.folder.contents

    def update(self, *, extended: dict[Extended, Any] | None = None, **properties: Any) -> Item:  # noqa: ANN401
        """Change properties; None takes one away."""
        with self.folder.store.lock:
            self._check()
            unread = self.unread
            if "Recurrence" in properties:
                properties.setdefault("IsRecurring", properties["Recurrence"] is not None)
            self.properties.update(properties)
            self._extended.update(extended or {})
            self._properties = {name: value for name, value in self.properties.items() if value is not None}
            if "LastModifiedTime" not in properties:
                self._properties["LastModifiedTime"] = self.folder.store.now()
            if self.element == "CalendarItem":
                appointments.settle(self)
            self.contents.unread += self.unread - unread
            self._changed()
        return self

    def mark_read(self, read: bool = True) -> Item:  # noqa: FBT001, FBT002 - reads like the sentence
        """Set the read flag, which the feed reports as a change of its own kind."""
        with self.folder.store.lock:
            self._check()
            unread = self.unread
            self.properties["IsRead"] = read
            self.fragments.pop("IsRead", None)
            self.contents.unread += self.unread - unread
            self.contents.change_read(self, self.folder.store.next_change())
            self.folder.store.notify("modified", self.folder, self)
        return self

    def move(self, folder: Folder) -> Item:
        """Move to another folder, where it gets a NEW id; give the item as it is there."""
        with self.folder.store.lock:
            self._check()
            moved = folder.take(self)
            self._leave("moved")
        return moved

    def copy(self, folder: Folder) -> Item:
        """Copy to another folder; give the copy."""
        with self.folder.store.lock:
            self._check()
            return folder.take(self)

    def delete(self) -> None:
        """Delete for good."""
        with self.folder.store.lock:
            self._check()
            self._leave("deleted")

    def soft_delete(self) -> Item:
        """Move to Deleted Items; give the item as it is there."""
        return self.move(self.folder.store.distinguished("deleteditems"))

    def change_occurrence(self, original: datetime, **properties: Any) -> Item:  # noqa: ANN401
        """Change one occurrence of a series, named by its original start; the master changes with it."""
        with self.folder.store.lock:
            series = self._series()
            series.changed.setdefault(original, {}).update(properties)
            self._changed()
        return self

    def delete_occurrence(self, original: datetime) -> Item:
        """Delete one occurrence of a series, named by its original start; the master changes with it."""
        with self.folder.store.lock:
            series = self._series()
            series.changed.pop(original, None)
            series.deleted.add(original)
            self._changed()
        return self

    def _series(self) -> Series:
        self._check()
        if self.series is None:
            raise LookupError("this item is no recurring series")
        return self.series

    def attach(self, *attachments: Attachment) -> Item:
        """Attach files or items; this is a change of the item."""
        with self.folder.store.lock:
            self._check()
            self.attachments.extend(attachments)
            self._changed()
        return self

    def _check(self) -> None:
        if self.gone or self.folder.gone:
            raise LookupError("this item is no longer in its folder")

    def _changed(self) -> None:
        self.fragments.clear()
        self.contents.change(self, self.folder.store.next_change())
        self.folder.store.notify("modified", self.folder, self)

    def _leave(self, event: str) -> None:
        _ = self.properties  # a block makes no properties for an item that left it
        self.contents.remove(self)
        self.gone = True
        self.folder.store.deleted(self.folder)
        self.folder.store.notify(event, self.folder, self)
