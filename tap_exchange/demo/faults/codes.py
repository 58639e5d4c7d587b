"""Response codes at each level: one item's, one folder's, one mailbox's, a whole request's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults.requests import On
from tap_exchange.demo.soap import SOAP, ServiceError, SoapFault
from tap_exchange.demo.values import escape

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.rendering import Shape
    from tap_exchange.demo.soap import Call


@dataclass(eq=False)
class ItemFails(Fault):
    """These items answer with a code in their own response message; the rest of the request is well.

    With `asking`, only while one of these properties (FieldURIs) is asked for. With `until_changed`, only
    as long as nobody changes the item.
    """

    code: str
    items: Iterable[Item]
    asking: str | Collection[str] = ()
    on: On = field(default_factory=On)
    until_changed: bool = False

    def __post_init__(self) -> None:
        """Note the items as they are."""
        self._keys = {item.id: item.change_key for item in self.items}
        self._asking = {self.asking} if isinstance(self.asking, str) else set(self.asking)

    @property
    def struck(self) -> int:
        """Tell how often an item failed."""
        return self.on.struck

    def item(self, call: Call, item: Item, shape: Shape) -> None:  # noqa: ARG002 - the place's
        """Fail the item."""
        key = self._keys.get(item.id)
        if key is None or (self.until_changed and item.change_key != key):
            return
        if self._asking and self._asking.isdisjoint(call.record.properties):
            return
        if self.on.strikes(call.record):
            raise ServiceError(self.code)


@dataclass(eq=False)
class FolderFails(Fault):
    """A folder answers with a code wherever it is asked for; `which` None is every folder.

    `On("SyncFolderItems")` leaves GetFolder alone; with `state=True` the folder fails with its sync state
    and succeeds without one, with `page_over=1` it gives its changes only one by one.
    """

    code: str
    which: Folder | None = None
    on: On = field(default_factory=On)

    @property
    def struck(self) -> int:
        """Tell how often the folder failed."""
        return self.on.struck

    def folder(self, call: Call, folder: Folder) -> None:
        """Fail the folder."""
        if (self.which is None or folder is self.which) and self.on.strikes(call.record):
            raise ServiceError(self.code)


@dataclass(eq=False)
class MailboxFails(Fault):
    """Whatever is opened in a mailbox answers with a code."""

    code: str
    which: Mailbox
    on: On = field(default_factory=On)

    @property
    def struck(self) -> int:
        """Tell how often the mailbox failed."""
        return self.on.struck

    def mailbox(self, call: Call, mailbox: Mailbox | None) -> None:
        """Fail the mailbox."""
        if mailbox is self.which and self.on.strikes(call.record):
            raise ServiceError(self.code)


@dataclass(eq=False)
class RequestFails(Fault):
    """A whole request is answered with a SOAP fault, its work undone.

    `values` go into its MessageXml. `bare` leaves out the detail, so that the code stands in `faultcode`
    alone, as some servers send it, with HTTP 200 even.
    """

    code: str
    on: On = field(default_factory=On)
    status: int = 500
    text: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    bare: bool = False

    @property
    def struck(self) -> int:
        """Tell how many requests failed."""
        return self.on.struck

    def before(self, call: Call) -> Answer | None:
        """Fail the request."""
        if not self.on.strikes(call.record):
            return None
        if self.bare:
            return Answer(self.status, _bare(self.code, self.text or "The request failed.").encode())
        raise SoapFault(self.code, self.text, status=self.status, values=self.values)


@dataclass(eq=False)
class Speaks(Fault):
    """The server, or one mailbox's, knows only these versions of RequestServerVersion."""

    versions: Collection[str]
    code: str = "ErrorInvalidServerVersion"
    on: On = field(default_factory=On)

    @property
    def struck(self) -> int:
        """Tell how many requests were refused."""
        return self.on.struck

    def before(self, call: Call) -> Answer | None:
        """Refuse other versions."""
        if call.version not in self.versions and self.on.strikes(call.record):
            raise SoapFault(self.code)
        return None


def _bare(code: str, text: str) -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault>'
        f"<faultcode>{code}</faultcode><faultstring>{escape(text)}</faultstring></s:Fault></s:Body></s:Envelope>"
    )
