"""Servers of another make, that tell things in their own way: the tables equal the mailbox all the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faults import Messages, On
from tests.trouble import has_all, rows_by_id, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call

ROOT = '<t:Folder><t:FolderId Id="{0}"/><t:ParentFolderId Id="{0}"/></t:Folder>'


def test_a_root_that_the_hierarchy_tells_is_a_folder_and_on_no_path(
    server: Server, anna: Mailbox, inbox: Folder
) -> None:
    root = anna.folder("msgfolderroot")
    below = anna.add_folder("Inbox/Projects")
    below.fill(3)

    def with_root(_: Call, messages: list[str]) -> list[str]:
        told = f"<m:Changes><t:Create>{ROOT.format(root.id)}</t:Create>"
        return [message.replace("<m:Changes>", told) for message in messages]

    ended = run(server, Messages(with_root, On("SyncFolderHierarchy"))).checked()
    paths = {row["folder_id"]: row["path"] for row in ended.table("folders").values()}
    assert (paths[inbox.id], paths[below.id]) == (inbox.name, f"{inbox.name}/Projects")
    assert paths[root.id] == root.name
    has_all(ended, below)


def spelled(_: Call, messages: list[str]) -> list[str]:
    return [re.sub(r'(<t:ItemId Id="[^"]*?)=*"', r'\1"', message) for message in messages]


def nameless(_: Call, messages: list[str]) -> list[str]:
    return [re.sub(r"<t:ItemId [^>]*>", "", message) for message in messages]


@pytest.mark.parametrize("way", [spelled, nameless])
def test_items_whose_ids_are_told_in_another_way_are_loaded_each_under_its_own(
    way: Callable[[Call, list[str]], list[str]], server: Server, inbox: Folder
) -> None:
    inbox.fill(25)
    answers = Messages(way, On("GetItem"))
    ended = run(server, answers).checked()
    assert answers.struck
    subjects = {item_id: row["subject"] for item_id, row in rows_by_id(ended, "messages").items()}
    assert subjects == {item.id: item.properties["Subject"] for item in inbox.items()}
    assert not ended.of("corrupt_items")
