"""What a later selection makes stale: no more than what it concerns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tap_exchange.ews.columns import extended_properties
from tap_exchange.ews.shapes import ContentSettings
from tap_exchange.sync.files import FileStore
from tap_exchange.sync.selection import AttachmentChoice, Selection, common, fingerprint

MESSAGES = frozenset({"subject", "body"})
TASKS = frozenset({"subject"})
METADATA = AttachmentChoice()


def own(stream: str = "tasks", tag: str = "0x6001") -> tuple[Any, ...]:
    return extended_properties([{"column": "own", "streams": [stream], "tag": tag, "type": "String"}])


def selection(
    content: ContentSettings | None = None,
    attachments: AttachmentChoice | None = None,
    **columns: frozenset[str],
) -> Selection:
    chosen = {"messages": MESSAGES, "tasks": TASKS, **columns}
    return Selection(chosen, content or ContentSettings(), frozenset(chosen), attachments)


CASES = {
    "nothing": (selection(), selection(), set()),
    "fewer columns": (selection(), selection(messages=frozenset({"subject"})), set()),
    "a column": (selection(), selection(tasks=TASKS | {"owner"}), {"tasks"}),
    "a stream": (selection(), selection(posts=TASKS), {"posts"}),
    "another form of bodies": (selection(), selection(ContentSettings(body_type="text")), {"messages"}),
    "shorter bodies": (selection(), selection(ContentSettings(body_max_bytes=9)), {"messages"}),
    "MIME, which is a column": (selection(), selection(ContentSettings(include_mime=True)), set()),
    "a MAPI property": (
        selection(),
        selection(ContentSettings(extended_properties=own()), tasks=TASKS | {"own"}),
        {"tasks"},
    ),
    "another MAPI property in the same column": (
        selection(ContentSettings(extended_properties=own()), tasks=TASKS | {"own"}),
        selection(ContentSettings(extended_properties=own(tag="0x6002")), tasks=TASKS | {"own"}),
        {"tasks"},
    ),
    "a MAPI property that is deselected": (
        selection(),
        selection(ContentSettings(extended_properties=own())),
        set(),
    ),
    "attachments": (selection(), selection(attachments=METADATA), {"messages", "tasks", "attachments"}),
    "no attachments": (selection(attachments=METADATA), selection(), set()),
    "contents of attachments": (
        selection(attachments=METADATA),
        selection(attachments=AttachmentChoice(content=True, max_bytes=1)),
        {"messages", "tasks", "attachments"},
    ),
    "larger attachments": (
        selection(attachments=AttachmentChoice(content=True, max_bytes=1)),
        selection(attachments=AttachmentChoice(content=True, max_bytes=2)),
        {"messages", "tasks", "attachments"},
    ),
    "attachments in files": (
        selection(attachments=AttachmentChoice(content=True, max_bytes=1)),
        selection(attachments=AttachmentChoice(content=True, max_bytes=1, folder="/data")),
        {"messages", "tasks", "attachments"},
    ),
    "another password of the folder": (
        selection(attachments=AttachmentChoice(content=True, max_bytes=1, folder="ftp://a:b@host/x")),
        selection(attachments=AttachmentChoice(content=True, max_bytes=1, folder="ftp://a:c@host/x")),
        set(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_change_makes_stale(case: str) -> None:
    before, after, stale = CASES[case]
    kept = json.loads(json.dumps(before.to_state()))
    assert after.stale_streams(kept) == stale
    assert before.stale_streams(kept) == frozenset()
    assert bool(stale) <= (fingerprint(before.to_state()) != fingerprint(after.to_state()))


@pytest.mark.parametrize("case", CASES)
def test_what_two_selections_have_in_common_is_no_news_to_either_beyond_what_the_other_lacks(case: str) -> None:
    one, other, _ = CASES[case]
    kept = json.loads(json.dumps(common(one.to_state(), other.to_state())))
    assert other.stale_streams(kept) == other.stale_streams(one.to_state())
    assert one.stale_streams(kept) == one.stale_streams(other.to_state())


def test_what_a_selection_has_in_common_with_a_wider_one_is_itself() -> None:
    narrow = selection(messages=frozenset({"subject"}), tasks=frozenset())
    wide = selection(ContentSettings(body_type="text"), METADATA, posts=TASKS)
    assert common(wide.to_state(), narrow.to_state()) == narrow.to_state()


def test_without_a_selection_of_old_everything_is_stale() -> None:
    assert selection().stale_streams(None) == {"messages", "tasks"}


def test_the_state_holds_no_password_and_no_open_folder(tmp_path: Any) -> None:  # noqa: ANN401
    choice = AttachmentChoice(content=True, max_bytes=1, folder="ftp://a:hush@host/x", files=FileStore(str(tmp_path)))
    text = json.dumps(selection(attachments=choice).to_state())
    assert "hush" not in text
    assert "ftp://host/x" in text


@pytest.mark.parametrize(("column", "hidden"), [(frozenset(), True), (frozenset({"attachments"}), False)])
def test_attachments_are_asked_for_and_hidden_unless_they_are_a_column(
    column: frozenset[str],
    hidden: bool,  # noqa: FBT001 - a parameter
) -> None:
    chosen = selection(attachments=METADATA, messages=MESSAGES | column)
    assert "item:Attachments" in chosen.shape("messages").xml
    assert chosen.hides_attachments("messages") is hidden
    assert "item:Attachments" not in selection().shape("messages").xml
    assert chosen.shape("posts") is None
