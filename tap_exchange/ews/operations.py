"""The operations on one mailbox: questions asked by name, answers as frozen values.

Every method blocks, may be called from many threads, and raises `ExchangeError`.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from . import ask, batch, strict
from .answers import (
    Answer,
    AttachmentKind,
    FolderInfo,
    Found,
    FoundFolders,
    HierarchyPage,
    ItemPage,
    Names,
    PartedShape,
    ServerInfo,
    ShapeLike,
)
from .errors import ExchangeError, IncompleteAnswer, Level, MailboxError, Stopped, error_for, may_lack_property
from .faults import Action, action_of
from .siphon import Siphon

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from .faults import Fault
    from .siphon import Sink
    from .soap import Message
    from .transport import Transport

log = logging.getLogger(__name__)

MOST_CHANGES = 512
# Items that are tried, each alone, to tell a property that the server lacks from a bad item.
MOST_TRIALS = 3
UNTOLD = "ErrorInternalServerError"
"""The code of a server that does not tell what is wrong."""


class Mailbox:
    """One store of one mailbox; `store` is primary, archive, recoverable_items or public_folders.

    With impersonation each request acts as the mailbox's owner, else distinguished folders carry
    the mailbox's address (delegate access). A server that knows no such address is asked without,
    when the mailbox is the account's own.
    """

    def __init__(self, transport: Transport, address: str, store: str = "primary") -> None:
        self.transport = transport
        self.address = address
        self.store = store
        self._feed = strict.Feed()
        self._folders = strict.Folders()
        shared = store != "public_folders" and not transport.impersonate
        self._owner = address if shared else ""

    @property
    def server(self) -> ServerInfo | None:
        """What the server said of itself in the latest answer, None before the first."""
        return self.transport.server(self.address)

    def resolve(self) -> str | None:
        """Tell the primary SMTP address in lower case: the given one when the directory knows none.

        None when there is no directory, or one that is closed to this account or in trouble. Nobody can be impersonated
        by another address of his: for one an account has to ask as itself.
        """
        try:
            found = self._resolve(None)
        except ExchangeError as error:
            if error.code == "ErrorNonPrimarySmtpAddress":
                found = self._resolve("")
                if found is None:
                    raise
            elif error.unsupported or error.code == "ErrorAccessDenied" or error.action is Action.QUARANTINE:
                return None
            else:
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
        if not fault.code.startswith("ErrorNameResolution"):
            raise error_for(fault, "ResolveNames", self.address, Level.MAILBOX)
        return None

    def root(self) -> FolderInfo:
        """Get the root folder of the store, under which all its folders stand.

        Raises:
            MailboxError: the mailbox, or this store of it, cannot be opened.
        """
        try:
            return self._root()
        except MailboxError as error:
            if error.unsupported and self._owner and self.address == self.transport.own_address:
                self._owner = ""
                return self.root()
            if error.action not in {Action.FOLDER_GONE, Action.ITEM_GONE}:
                raise
            line = f"{self.address} has no {self.store.replace('_', ' ')} ({error.code}); take it out of `stores`"
            raise MailboxError(line, code=error.code, action=error.action) from None

    def own_root(self) -> str:
        """Get the id of the root of the account's own mailbox, whosever it is; empty when it has none to tell."""
        try:
            return self._root(owner="").folder_id
        except Stopped:
            raise
        except ExchangeError as error:
            log.debug("The account's own mailbox is not known: %s", error.code)
            return ""

    def _root(self, owner: str | None = None) -> FolderInfo:
        ids = ask.distinguished_ids([ask.ROOTS[self.store]], self._owner if owner is None else owner)
        return self.transport.call(
            "GetFolder",
            ask.get_folder(ids, ask.DEFAULT_FOLDERS),
            mailbox=self.address,
            read=strict.root_folder,
        )

    def distinguished(self) -> Names:
        """Map folder ids to distinguished names, of all the store has; one request as a rule.

        A server that refuses the request for a word that it lacks is asked with fewer of them; where
        none can be asked for, no folder has a distinguished name.
        """
        lists = ask.distinguished_names(self.store, self.server)
        tries = [(names, ask.ID_ONLY_FOLDERS) for names in lists]
        if self._names_folders():
            tries = [(names, ask.NAMED_FOLDERS) for names in lists[:1]] + tries
        for number, (names, shape) in enumerate(tries):
            ids = ask.distinguished_ids(names, self._owner)
            try:
                told = self.transport.call(
                    "GetFolder",
                    ask.get_folder(ids, shape),
                    mailbox=self.address,
                    read=partial(strict.distinguished, names=names),
                    each=True,
                    tries=2,
                )
            except ExchangeError as error:
                if not error.unsupported:
                    raise
            else:
                return Names(told.names, whole=told.whole and number == 0)
        log.warning("The server refuses to tell distinguished folders: none is known by such a name.")
        return Names({}, whole=False)

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
            return batch.converted(*strict.one_folder(messages), shape)
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
            read=self._feed.hierarchy(sync_state),
        )

    def sync_items(
        self,
        folder_id: str,
        sync_state: str | None,
        max_changes: int = MOST_CHANGES,
        ignore: Iterable[str] = (),
        *,
        tries: int | None = None,
    ) -> ItemPage:
        """Get one page of a folder's changes since a state, None for all; `tries` as of `get_items`.

        Raises:
            StateError: the state was refused.
            FolderError: as its action says; `splittable` when a smaller page may succeed.
        """
        return self.transport.call(
            "SyncFolderItems",
            ask.sync_items(folder_id, sync_state, min(max_changes, MOST_CHANGES), ignore),
            mailbox=self.address,
            read=self._feed.items(sync_state),
            level=Level.FOLDER,
            tries=tries,
        )

    def get_items(
        self, ids: Collection[str], shape: PartedShape, *, tries: int | None = None, suspect: bool = False
    ) -> list[Answer]:
        """Load items: one answer per id, in the order asked, a record or a code.

        Items that the server left out (ErrorBatchProcessingStopped) or was too busy for are asked
        again here. `tries` bounds the attempts at a request that fails as a whole. With `suspect` a code
        may also be the store's or the mailbox's (`may_be_the_stores`), of one item alone or among answered ones.

        Raises:
            ExchangeError: the whole request failed; `splittable` when fewer items may succeed.
        """
        ask_for = partial(self._ask, "GetItem", shape, tries)
        return batch.load(self.transport, self.address, "GetItem", ids, ask_for, suspect=suspect)

    def get_folders(self, ids: Collection[str], shape: PartedShape) -> list[Answer]:
        """Load folders: one answer per id, in the order asked, a record or a code."""
        return batch.load(self.transport, self.address, "GetFolder", ids, partial(self._ask, "GetFolder", shape, None))

    def get_attachments(
        self,
        ids: Collection[str],
        open_sink: Callable[[str], Sink],
        *,
        kind: AttachmentKind = "file",
        tries: int | None = None,
    ) -> list[Answer]:
        """Load attachments, their contents into sinks: one answer per id, in the order asked, a record or a code.

        As with items under suspicion, a code may also be the store's or the mailbox's.

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
        ask_for = partial(self._ask_attachments, open_sink, kind, tries)
        return batch.load(self.transport, self.address, "GetAttachment", ids, ask_for, suspect=True)

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
        read = self._folders.page(offset, shape)
        return self.transport.call("FindFolder", body, mailbox=self.address, read=read, level=Level.FOLDER)

    def _ask(
        self, operation: str, shape: PartedShape, tries: int | None, ids: Sequence[str], *, patient: bool
    ) -> list[tuple[Answer, Fault | None]]:
        """Ask once; when the server lacks a property that it was asked for, once more without."""
        vocabulary = self.transport.vocabulary
        shape = vocabulary.known(shape.for_server(self.transport.version(self.address)))
        try:
            answers = self._ask_for(operation, shape, tries, ids, patient=patient)
        except ExchangeError as error:
            if not self._lacks(operation, shape, ids, {error.code}):
                raise
        else:
            codes = {answer.code for answer, _ in answers}
            if None in codes and tries is None:
                vocabulary.trust(shape)
            if None in codes or not self._lacks(operation, shape, ids, codes):
                return answers
        return self._ask_for(operation, vocabulary.known(shape), tries, ids, patient=patient)

    def _lacks(self, operation: str, shape: PartedShape, ids: Sequence[str], codes: Collection[str | None]) -> bool:
        """Tell whether the server lacks properties of a shape in which all that was asked for failed.

        The codes may blame an item as well as a property: a property is to blame only when nothing was ever read in
        this shape, and, unless the codes speak of the request, only when several items fail, or the property was
        refused for other streams; a code that tells nothing at all needs more of them.
        """
        told = {UNTOLD} if operation == "GetItem" and (len(ids) == 1 or len(ids) >= MOST_TRIALS) else set()
        if not all(may_lack_property(code) or code in told for code in codes):
            return False
        vocabulary = self.transport.vocabulary
        if operation == "GetFolder":
            return vocabulary.learn(shape, partial(self._is_taken, operation, ids))
        of_request = all(action_of(code or "") is Action.OUR_BUG for code in codes)
        if not vocabulary.is_doubtful(shape):
            return False
        trial = list(ids[:MOST_TRIALS])

        def accepts(tried: PartedShape) -> bool:
            if any(self._is_taken(operation, [item_id], tried) for item_id in trial):
                return True
            if of_request:
                del trial[1:]  # refused for all of them: one stands for the others
            return False

        return vocabulary.learn(shape, accepts, alone=len(ids) == 1 and not of_request)

    def _is_taken(self, operation: str, ids: Sequence[str], shape: PartedShape) -> bool:
        try:
            answers = self._ask_for(operation, shape, 1, ids)
        except ExchangeError as error:
            if not _may_refuse(error.code):
                raise
            return False
        return not all(_may_refuse(answer.code) for answer, _ in answers)

    def _ask_for(
        self, operation: str, shape: ShapeLike, tries: int | None, ids: Sequence[str], *, patient: bool = True
    ) -> list[tuple[Answer, Fault | None]]:
        items = operation == "GetItem"
        written = ask.item_ids(ids) if items else ask.folder_ids(ids)
        body = (ask.get_item if items else ask.get_folder)(written, shape.xml)
        kind: strict.Kind = "Item" if items else "Folder"
        level = Level.ITEMS if items else Level.MAILBOX
        answers = self.transport.call(
            operation,
            body,
            mailbox=self.address,
            read=partial(batch.answers, ids=ids, kind=kind, shape=shape),
            level=level,
            tries=tries,
            each=True,
            patient=patient,
        )
        return batch.unless_all_out(answers, operation, self.address) if patient else answers

    def _ask_attachments(
        self,
        open_sink: Callable[[str], Sink],
        kind: AttachmentKind,
        tries: int | None,
        ids: Sequence[str],
        *,
        patient: bool,
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
            patient=patient,
        )
        return batch.unless_all_out(answers, "GetAttachment", self.address) if patient else answers


def _may_refuse(code: str | None) -> bool:
    return may_lack_property(code) or code == UNTOLD
