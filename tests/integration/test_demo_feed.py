"""The feed tells a client exactly what it must do to equal the folder, whatever happens in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from tap_exchange.demo import Exchange
from tap_exchange.demo.changelog import CREATE, DELETE, READ_FLAG, UPDATE, Cursor, net_changes
from tap_exchange.demo.syncstate import StateCodec, SyncState

if TYPE_CHECKING:
    from tap_exchange.demo.item import Item


@dataclass
class Copy:
    """What a client holds: per item number the change and the read flag it has."""

    state: str
    items: dict[int, tuple[int, bool]] = field(default_factory=dict)
    finished: bool = False


class Feed(RuleBasedStateMachine):
    """Edit a folder at random while clients with states of every age read on."""

    copies = Bundle("copies")

    def __init__(self) -> None:
        super().__init__()
        mailbox = Exchange(seed=1).add_mailbox("anna@example.com")
        self.folder = mailbox.folder("inbox")
        self.other = mailbox.folder("drafts")
        self.folder.fill(7)
        self.codec = StateCodec()

    @initialize(target=copies)
    def nothing_yet(self) -> Copy:
        return Copy(self.codec.encode(SyncState(b"12345678", cursors=[Cursor()])))

    def pick(self, number: int) -> Item | None:
        items = self.folder.items()
        return items[number % len(items)] if items else None

    @rule()
    def add(self) -> None:
        self.folder.add("Message")

    @rule(count=st.integers(1, 5))
    def fill(self, count: int) -> None:
        self.folder.fill(count)

    @rule(number=st.integers(0, 30))
    def update(self, number: int) -> None:
        if item := self.pick(number):
            item.update(Subject="changed")

    @rule(number=st.integers(0, 30), read=st.booleans())
    def read(self, number: int, read: bool) -> None:  # noqa: FBT001
        if item := self.pick(number):
            item.mark_read(read)

    @rule(number=st.integers(0, 30))
    def delete(self, number: int) -> None:
        if item := self.pick(number):
            item.delete()

    @rule(number=st.integers(0, 30))
    def move_away_and_back(self, number: int) -> None:
        if item := self.pick(number):
            item.move(self.other).move(self.folder)

    @rule(target=copies, copy=copies)
    def keep(self, copy: Copy) -> Copy:
        return Copy(copy.state, dict(copy.items), copy.finished)

    @rule(target=copies, copy=consumes(copies), limit=st.integers(1, 9), forget=st.booleans())
    def read_on(self, copy: Copy, limit: int, forget: bool) -> Copy:  # noqa: FBT001
        codec = StateCodec() if forget else self.codec  # another process remembers no state
        state = codec.decode(copy.state, b"12345678")
        changes, last = net_changes(self.folder.contents, state.cursors[0], limit, self.folder.store.change)
        assert len(changes) <= limit
        assert last or len(changes) == limit, "a page that is not the last is full"
        items = dict(copy.items)
        for kind, number in changes:
            item = self.folder.item(number)
            if kind == DELETE:
                assert number in items, "a deletion only of what the client was given"
                assert item is None
                del items[number]
                continue
            assert item is not None
            flag = not item.unread
            if kind == CREATE:
                assert number not in items
            elif kind == UPDATE:
                assert items[number][0] != item.change
            else:
                assert kind == READ_FLAG
                assert items[number][0] == item.change, "a read flag change is nothing but that"
            items[number] = (item.change, flag)
        moved = self.codec.encode(state)
        assert moved != copy.state, "the state moves on every call"
        if last:
            assert items == {item.number: (item.change, not item.unread) for item in self.folder.items()}
        return Copy(moved, items, last)

    @invariant()
    def counts_hold(self) -> None:
        items = self.folder.items()
        assert self.folder.total_count == len(items)
        assert self.folder.unread_count == sum(item.unread for item in items)


Feed.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestFeed = Feed.TestCase
