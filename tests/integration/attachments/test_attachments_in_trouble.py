"""Whatever goes wrong with an attachment or a server, the others are loaded and the fault is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults import How, On, RequestFails, Throttles
from tap_exchange.demo.soap import ServiceError
from tests import kept
from tests.attachments import Tables, corrupt, file, furnish, key_of, truth
from tests.trouble import requests_of, run

if TYPE_CHECKING:
    from pathlib import Path

    from tap_exchange.demo.attachments import Attachment
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call


@dataclass(eq=False)
class AttachmentFails(Fault):
    """These attachments answer with a code, by their names."""

    codes: dict[str, str]
    times: int = 10**6
    struck: int = 0

    def attachment(self, call: Call, item: Item, attachment: Attachment) -> None:  # noqa: ARG002
        if (code := self.codes.get(attachment.name or "")) is not None and self.struck < self.times:
            self.struck += 1
            raise ServiceError(code)


@dataclass(eq=False)
class AttachmentBreaks(Fault):
    """Any answer with this content is cut in its middle."""

    content: bytes
    times: int = 10**6
    sizes: list[int] = field(default_factory=list)

    def after(self, call: Call, answer: Answer) -> Answer:
        place = answer.body.find(self.content)
        if call.operation == "GetAttachment" and place >= 0 and self.times > 0:
            self.times -= 1
            self.sizes.append(len(call.record.ids))
            answer.body = answer.body[: place + 1]
        return answer


def test_bad_attachments_leave_their_item_and_the_others_alone(anna: Mailbox, inbox: Folder, server: Server) -> None:
    names = [f"{number}.bin" for number in range(30)]
    item = inbox.add(attachments=[file(b"%d" % number * 50_000, name) for number, name in enumerate(names)])
    other = inbox.add(attachments=[file(b"well", "well.bin")])
    codes = {"3.bin": "ErrorCannotOpenFileAttachment", "17.bin": "ErrorVirusDetected", "29.bin": "ErrorCorruptData"}
    tables = Tables()
    done = tables.take(run(server, AttachmentFails(codes), attachments="content"))
    bad = {key_of(item, names.index(name) + 1) for name in codes}
    told = tables.told()
    assert {key for key, row in tables.attachments().items() if row["content_status"] == "failed"} == bad
    assert {key: row for key, row in told.items() if key not in bad} == {
        key: row for key, row in truth(anna, content=True).items() if key not in bad
    }
    assert {row["item_id"] for row in done.of("messages")} == {item.id, other.id}
    (row,) = corrupt(done)
    assert (row["item_id"], row["stage"], row["stream"], row["salvaged"]) == (
        item.id,
        "attachment",
        "attachments",
        True,
    )
    assert set(row["missing_properties"]) == bad
    assert row["resolved_at"] is None
    assert all(
        f"{key} ({code})" in row["message"] for key, code in zip(row["missing_properties"], codes.values(), strict=True)
    )

    still = run(server, AttachmentFails({"3.bin": "ErrorVirusDetected"}), state=done.state, attachments="content")
    assert not corrupt(still.checked())
    item.update(Subject="touched")
    worse = tables.take(
        run(server, AttachmentFails({"3.bin": "ErrorVirusDetected"}), state=still.state, attachments="content")
    )
    (row,) = corrupt(worse)
    assert (row["attempts"], row["missing_properties"]) == (2, [key_of(item, 4)])
    item.update(Subject="healed")
    healed = tables.take(run(server, state=worse.state, attachments="content"))
    (row,) = corrupt(healed)
    assert (row["stage"], row["item_key"]) == ("attachment", worse.of("corrupt_items")[0]["item_key"])
    assert row["resolved_at"]
    assert tables.told() == truth(anna, content=True)


def test_a_bad_attachment_of_an_item_that_is_deleted_is_resolved(inbox: Folder, server: Server) -> None:
    item = inbox.add(attachments=[file(b"bad")])
    done = run(server, AttachmentFails({"a.bin": "ErrorCorruptData"}), attachments="content").checked()
    item.delete()
    (row,) = corrupt(run(server, state=done.state, attachments="content").checked())
    assert row["resolved_at"]


def test_an_attachment_that_breaks_its_answers_is_found_and_the_others_are_loaded(
    anna: Mailbox, inbox: Folder, server: Server, tmp_path: Path
) -> None:
    item = inbox.add(attachments=[file(b"good" * 100, "1"), file(b"evil" * 100, "2"), file(b"fine" * 100, "3")])
    breaks = AttachmentBreaks(b"ZXZpbGV2aWxl")
    tables = Tables()
    done = tables.take(run(server, breaks, attachments="content", attachment_dir=str(tmp_path)))
    assert breaks.sizes == [3, 3, 1, 1]
    bad = key_of(item, 2)
    expected = truth(anna, content=True)
    expected[bad] |= {"content_sha256": None, "content_size": None}
    assert tables.told() == expected
    (row,) = corrupt(done)
    assert (row["code"], row["missing_properties"]) == ("IncompleteAnswer", [bad])
    assert not list(tmp_path.rglob(".part-*"))


def test_an_answer_that_was_cut_on_its_way_is_asked_again(anna: Mailbox, inbox: Folder, server: Server) -> None:
    inbox.add(attachments=[file(b"good" * 100, "1"), file(b"evil" * 100, "2")])
    tables = Tables()
    done = tables.take(run(server, AttachmentBreaks(b"ZXZpbGV2aWxl", times=1), attachments="content"))
    assert tables.told() == truth(anna, content=True)
    assert not corrupt(done)


@pytest.mark.parametrize(("times", "status"), [(1, "loaded"), (2, "failed")])
def test_an_internal_error_counts_when_it_comes_once_more(
    inbox: Folder, server: Server, times: int, status: str
) -> None:
    inbox.add(attachments=[file(b"1", "1"), file(b"2", "2")])
    fails = AttachmentFails({"2": "ErrorInternalServerError"}, times=times)
    done = run(server, fails, attachments="content").checked()
    assert {row["name"]: row["content_status"] for row in done.of("attachments")} == {"1": "loaded", "2": status}
    assert requests_of(server, "GetAttachment") == 2


def test_downloads_keep_to_the_pace(anna: Mailbox, inbox: Folder, server: Server) -> None:
    furnish(inbox)
    throttles = Throttles(How.SOAP_FAULT, hint=0.1, on=On("GetAttachment", every=2))
    tables = Tables()
    tables.take(run(server, throttles, attachments="content", max_connections=2))
    assert throttles.struck > 1
    assert not throttles.early
    assert server.endpoint.log.most_concurrent <= 2
    assert tables.told() == truth(anna, content=True)


def test_a_server_in_trouble_is_no_fault_of_the_attachments(anna: Mailbox, inbox: Folder, server: Server) -> None:
    furnish(inbox)
    on = On(("GetAttachment", "GetItem"), where=lambda request: request.operation == "GetAttachment" or has_struck())
    trouble = RequestFails("ErrorCorruptData", on)

    def has_struck() -> bool:
        return trouble.struck > 0

    tables = Tables()
    failed = run(server, trouble, attachments="content")
    assert failed.exit_code == 1
    assert not corrupt(failed)
    for stream in failed.records:
        tables.rows.setdefault(stream, {}).update(failed.table(stream))
    tables.take(run(server, state=failed.state, attachments="content"))
    assert tables.told() == truth(anna, content=True)


def test_an_item_deleted_or_changed_meanwhile_is_told_by_the_feed(anna: Mailbox, inbox: Folder, server: Server) -> None:
    gone, changed = inbox.add(attachments=[file(b"gone")]), inbox.add(attachments=[file(b"first"), file(b"second")])

    def edit() -> None:
        gone.delete()
        changed.attachments.pop()
        changed.update(Subject="one less")

    tables = Tables()
    done = tables.take(run(server, kept.On("GetAttachment", 1, edit), attachments="content"))
    assert not corrupt(done)
    assert {row["content_status"] for row in done.of("attachments")} <= {"loaded", "gone"}
    done = tables.take(run(server, state=done.state, attachments="content"))
    assert tables.told() == truth(anna, content=True)


def test_an_attachment_that_is_listed_and_never_found_is_told(inbox: Folder, server: Server) -> None:
    inbox.add(attachments=[file(b"lost", "lost.bin"), file(b"here")])
    done = run(server, AttachmentFails({"lost.bin": "ErrorItemNotFound"}), attachments="content").checked()
    assert [row["content_status"] for row in done.of("attachments")] == ["failed", "loaded"]
    assert [row["code"] for row in corrupt(done)] == ["ErrorItemNotFound"]
