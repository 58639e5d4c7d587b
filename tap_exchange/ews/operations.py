"""The operations on one mailbox: questions asked by name, answers as frozen values.

Every method blocks, may be called from many threads, and raises `ExchangeError`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from . import ask, strict
from .answers import (
    Answer,
    AttachmentKind,
    FolderChange,
    FolderInfo,
    Found,
    FoundFolder,
    FoundFolders,
    FoundItem,
    HierarchyPage,
    ItemChange,
    ItemPage,
    ServerInfo,
    ShapeLike,
)
from .errors import IncompleteAnswer, Level, MailboxError, error_for, item_action
from .faults import OF_THE_REQUEST, Action
from .siphon import Siphon

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from lxml.etree import _Element

    from .faults import Fault
    from .siphon import Sink
    from .soap import Message
    from .transport import Transport

__all__ = [
    "Answer",
    "FolderChange",
    "FolderInfo",
    "Found",
    "FoundFolder",
    "FoundFolders",
    "FoundItem",
    "HierarchyPage",
    "ItemChange",
    "ItemPage",
    "Mailbox",
    "ServerInfo",
]

MOST_CHANGES = 512
# How often one item may be busy, or a batch be stopped without a step forward, before it counts.
ITEM_TRIES = 3
# The code of an item that Exchange gave whole and the tap could not turn into a record.
CONVERSION_FAILED = "ConversionFailed"


class Mailbox:
    """One store of one mailbox; `store` is primary, archive, recoverable_items or public_folders.

    With impersonation each request acts as the mailbox's owner, else distinguished folders carry
    the mailbox's address (delegate access).
    """

    def __init__(self, transport: Transport, address: str, store: str = "primary") -> None:
        self.transport = transport
        self.address = address
        self.store = store
        shared = store != "public_folders" and not transport.impersonate
        self._owner = address if shared else ""

    @property
    def server(self) -> ServerInfo | None:
        """What the server said of itself in the latest answer, None before the first."""
        return self.transport.server(self.address)

    def resolve(self) -> str:
        """Tell the primary SMTP address in lower case; the given one when the server cannot say.

        Nobody can be impersonated by another address of his: for one an account has to ask as itself.
        """
        try:
            found = self._resolve(None)
        except MailboxError as error:
            if error.code != "ErrorNonPrimarySmtpAddress":
                raise
            found = self._resolve("")
            if found is None:
                raise
        return found or self.address.lower()

    def _resolve(self, identity: str | None) -> str | None:
        return self.transport.call(
            "ResolveNames",
            ask.resolve_names(self.address),
            mailbox=self.address,
            read=self._resolved,
            each=True,
            identity=identity,
        )

    def _resolved(self, messages: Sequence[Message]) -> str | None:
        fault = messages[0].fault
        if fault is None or fault.code == "ErrorNameResolutionMultipleResults":
            return strict.mailbox_address(messages, self.address)
        if fault.action is Action.MAILBOX_OUT and fault.code != "ErrorAccessDenied":
            raise error_for(fault, "ResolveNames", self.address, Level.MAILBOX)
        return None

    def root(self) -> FolderInfo:
        """Get the root folder of the store, under which all its folders stand.

        Raises:
            MailboxError: the mailbox, or this store of it, cannot be opened.
        """
        ids = ask.distinguished_ids([ask.ROOTS[self.store]], self._owner)
        try:
            return self.transport.call(
                "GetFolder",
                ask.get_folder(ids, ask.DEFAULT_FOLDERS),
                mailbox=self.address,
                read=strict.root_folder,
            )
        except MailboxError as error:
            if error.action not in {Action.FOLDER_GONE, Action.ITEM_GONE}:
                raise
            line = f"{self.address} has no {self.store.replace('_', ' ')} ({error.code}); take it out of `stores`"
            raise MailboxError(line, code=error.code, action=error.action) from None

    def distinguished(self) -> dict[str, str]:
        """Map folder ids to distinguished names, of all the store has; one request as a rule."""
        lists = ask.distinguished_names(self.store, self.server)
        for number, names in enumerate(lists, start=1):
            ids = ask.distinguished_ids(names, self._owner)
            shape = ask.NAMED_FOLDERS if self._names_folders() else ask.ID_ONLY_FOLDERS
            try:
                return self.transport.call(
                    "GetFolder",
                    ask.get_folder(ids, shape),
                    mailbox=self.address,
                    read=partial(strict.distinguished, names=names),
                    each=True,
                )
            except MailboxError as error:
                if error.action is not Action.OUR_BUG or number == len(lists):
                    raise
        return {}

    def _names_folders(self) -> bool:
        server = self.server
        return server is not None and server.build.startswith("15.")

    def named_folder(self, name: str, shape: ShapeLike) -> Answer | None:
        """Load a folder by its distinguished name; None when the mailbox has no such folder."""
        shape = shape.for_server(self.transport.version(self.address))
        return self.transport.call(
            "GetFolder",
            ask.get_folder(ask.distinguished_ids([name], self._owner), shape.xml),
            mailbox=self.address,
            read=partial(self._named, shape=shape),
            each=True,
        )

    def _named(self, messages: Sequence[Message], shape: ShapeLike) -> Answer | None:
        fault = messages[0].fault
        if fault is None:
            return _converted(*strict.one_folder(messages), shape)
        if fault.action in {Action.FOLDER_GONE, Action.ITEM_GONE}:
            return None
        raise error_for(fault, "GetFolder", self.address, Level.FOLDER)

    def sync_hierarchy(self, root_id: str, sync_state: str | None) -> HierarchyPage:
        """Get the hierarchy's changes since a state, None for all; every call the same root.

        Raises:
            StateError: the state was refused.
        """
        return self.transport.call(
            "SyncFolderHierarchy",
            ask.sync_hierarchy(root_id, sync_state),
            mailbox=self.address,
            read=partial(strict.hierarchy_page, sync_state=sync_state),
        )

    def sync_items(
        self,
        folder_id: str,
        sync_state: str | None,
        max_changes: int = MOST_CHANGES,
        ignore: Iterable[str] = (),
    ) -> ItemPage:
        """Get one page of a folder's changes since a state, None for all.

        Raises:
            StateError: the state was refused.
            FolderError: as its action says; `splittable` when a smaller page may succeed.
        """
        return self.transport.call(
            "SyncFolderItems",
            ask.sync_items(folder_id, sync_state, min(max_changes, MOST_CHANGES), ignore),
            mailbox=self.address,
            read=partial(strict.item_page, sync_state=sync_state),
            level=Level.FOLDER,
        )

    def get_items(self, ids: Collection[str], shape: ShapeLike, *, tries: int | None = None) -> list[Answer]:
        """Load items: one answer per id, in the order asked, a record or a code.

        Items that the server left out (ErrorBatchProcessingStopped) or was too busy for are asked
        again here. `tries` bounds the attempts at a request that fails as a whole.

        Raises:
            ExchangeError: the whole request failed; `splittable` when fewer items may succeed.
        """
        return self._load("GetItem", ids, partial(self._ask, "GetItem", shape, tries))

    def get_folders(self, ids: Collection[str], shape: ShapeLike) -> list[Answer]:
        """Load folders: one answer per id, in the order asked, a record or a code."""
        return self._load("GetFolder", ids, partial(self._ask, "GetFolder", shape, None))

    def get_attachments(
        self,
        ids: Collection[str],
        open_sink: Callable[[str], Sink],
        *,
        kind: AttachmentKind = "file",
        tries: int | None = None,
    ) -> list[Answer]:
        """Load attachments, their contents into sinks: one answer per id, in the order asked, a record or a code.

        A record tells whether there was a content (`has_content`), and an attached item's `item_class`
        and `item_subject`.

        Args:
            ids: Of attachments, all of one mailbox.
            open_sink: Gives the sink of an id when its content begins to arrive; once more when the
                answer broke and comes anew. What was taken counts when the id's answer is a record.
            kind: What they all are: files; attached items, whose content is their MIME form; or
                attached items without a content (`item_alone`).
            tries: Bounds the attempts at a request that fails as a whole.

        Raises:
            ExchangeError: the whole request failed; `splittable` when fewer attachments may succeed.
        """
        return self._load("GetAttachment", ids, partial(self._ask_attachments, open_sink, kind, tries))

    def find_items(
        self,
        folder_id: str,
        *,
        offset: int = 0,
        page_size: int = 1000,
        restriction: ask.Restriction | None = None,
        order: tuple[tuple[str, bool], ...] = (),
        view: ask.CalendarWindow | None = None,
        shape: ShapeLike | None = None,
    ) -> Found:
        """List one page of a folder's items, IdOnly unless a shape is given.

        `order` is pairs of field URI and descending. A `view` of a calendar has one page only:
        when it is not `last`, narrow the window.

        Raises:
            RequestTooBig: a calendar view holds over 1,000 entries or spans over two years.
        """
        body = ask.find_item(
            folder_id,
            ask.ID_ONLY_ITEMS if shape is None else shape.xml,
            offset=offset,
            page_size=page_size,
            restriction=restriction,
            order=order,
            window=view,
        )
        read = partial(strict.found_items, offset=offset, paged=view is None, shape=shape)
        return self.transport.call("FindItem", body, mailbox=self.address, read=read, level=Level.FOLDER)

    def find_folders(
        self,
        folder_id: str,
        *,
        deep: bool = False,
        offset: int = 0,
        page_size: int = 1000,
        shape: ShapeLike | None = None,
    ) -> FoundFolders:
        """List one page of the folders below a folder, IdOnly unless a shape is given."""
        shape = shape and shape.for_server(self.transport.version(self.address))
        body = ask.find_folder(
            folder_id,
            ask.ID_ONLY_FOLDERS if shape is None else shape.xml,
            deep=deep,
            offset=offset,
            page_size=page_size,
        )
        read = partial(strict.found_folders, offset=offset, shape=shape)
        return self.transport.call("FindFolder", body, mailbox=self.address, read=read, level=Level.FOLDER)

    def _load(
        self,
        operation: str,
        ids: Collection[str],
        ask_for: Callable[[Sequence[str]], list[tuple[Answer, Fault | None]]],
    ) -> list[Answer]:
        done: dict[str, Answer] = {}
        busy: dict[str, int] = {}
        left = list(dict.fromkeys(ids))
        began = self.transport.pace.now()
        stalls = 0
        while left:
            fresh, again = _sorted_out(ask_for(left))
            for answer, fault in again:
                busy[answer.id] = busy.get(answer.id, 0) + (fault.action is Action.BACK_OFF)
                if fault.code in OF_THE_REQUEST and busy[answer.id] >= ITEM_TRIES:
                    fresh.append(answer)
            done.update({answer.id: answer for answer in fresh})
            stalls = 0 if fresh else stalls + 1
            left = [i for i in left if i not in done]
            if left and stalls:
                self._check_stall(operation, [f for a, f in again if a.id in left], began, stalls)
        return [done[i] for i in ids]

    def _check_stall(self, operation: str, faults: Sequence[Fault], began: float, stalls: int) -> None:
        """Give up on a batch of which nothing more comes."""
        stopped = all(fault.action is Action.RESEND for fault in faults)
        waited = self.transport.pace.now() - began
        if (stopped and stalls >= ITEM_TRIES) or waited > self.transport.pace.max_wait:
            raise error_for(faults[0], operation, self.address, Level.ITEMS)

    def _ask(
        self, operation: str, shape: ShapeLike, tries: int | None, ids: Sequence[str]
    ) -> list[tuple[Answer, Fault | None]]:
        shape = shape.for_server(self.transport.version(self.address))
        items = operation == "GetItem"
        written = ask.item_ids(ids) if items else ask.folder_ids(ids)
        body = (ask.get_item if items else ask.get_folder)(written, shape.xml)
        kind: strict.Kind = "Item" if items else "Folder"
        level = Level.ITEMS if items else Level.MAILBOX
        answers = self.transport.call(
            operation,
            body,
            mailbox=self.address,
            read=partial(_answers, ids=ids, kind=kind, shape=shape),
            level=level,
            tries=tries,
            each=True,
        )
        return self._unless_all_out(operation, answers)

    def _ask_attachments(
        self,
        open_sink: Callable[[str], Sink],
        kind: AttachmentKind,
        tries: int | None,
        ids: Sequence[str],
    ) -> list[tuple[Answer, Fault | None]]:
        def sink(number: int) -> Sink:
            if number >= len(ids):
                raise IncompleteAnswer("more attachments than were asked for", code="IncompleteAnswer")
            return open_sink(ids[number])

        answers = self.transport.call(
            "GetAttachment",
            ask.get_attachment(ids, kind),
            mailbox=self.address,
            read=partial(strict.attachments, ids=ids),
            level=Level.ITEMS,
            tries=tries,
            each=True,
            reading=partial(Siphon, sink),
        )
        return self._unless_all_out("GetAttachment", answers)

    def _unless_all_out(
        self, operation: str, answers: list[tuple[Answer, Fault | None]]
    ) -> list[tuple[Answer, Fault | None]]:
        """Raise what takes the mailbox out when every answer says so."""
        faults = [fault for _, fault in answers if fault is not None]
        out = [f for f in faults if item_action(f.code) is Action.MAILBOX_OUT]
        if len(out) == len(answers):
            raise error_for(out[0], operation, self.address, Level.MAILBOX)
        return answers


def _answers(
    messages: Sequence[Message], ids: Sequence[str], kind: strict.Kind, shape: ShapeLike
) -> list[tuple[Answer, Fault | None]]:
    answers: list[tuple[Answer, Fault | None]] = []
    for match in strict.matched(messages, ids, kind):
        if match.fault is not None:
            code, text = match.fault.code, match.fault.text
            answers.append((Answer(match.id, code=code, message=text), match.fault))
        elif match.element is not None:
            answers.append((_converted(match.id, match.element, shape), None))
    return answers


def _converted(asked: str, element: _Element, shape: ShapeLike) -> Answer:
    name = strict.local_name(element)
    try:
        return Answer(asked, name, shape.convert(element))
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        # One strange item must not stop its folder, run after run; its name says where to look.
        text = f"the tap cannot convert this {name} ({type(error).__name__}): please report it"
        return Answer(asked, name, code=CONVERSION_FAILED, message=text)


def _sorted_out(
    answers: Sequence[tuple[Answer, Fault | None]],
) -> tuple[list[Answer], list[tuple[Answer, Fault]]]:
    """Part the answers that stand from those to be asked again."""
    fresh: list[Answer] = []
    again: list[tuple[Answer, Fault]] = []
    for answer, fault in answers:
        if fault is not None and fault.action in {Action.RESEND, Action.BACK_OFF}:
            again.append((answer, fault))
        else:
            fresh.append(answer)
    return fresh, again
