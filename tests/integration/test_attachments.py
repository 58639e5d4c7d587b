"""The attachments stream equals the mailbox: metadata and contents, after every kind of run, whatever goes wrong."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_exchange.demo import Exchange, serve
from tap_exchange.demo.attachments import Attachment
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults import FolderFails, How, On, RequestFails, Throttles
from tap_exchange.demo.soap import ServiceError
from tap_exchange.resources import ITEM_STREAMS
from tap_exchange.sync.files import FileStore, InFile
from tests.attachments import Tables, inner, key_of, link, same_columns, truth
from tests.elements import XSD
from tests.trouble import ANNA, requests_of, run
from tests.warehouses import JSONLines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call
    from tests.pipeline import TapRun

EVIL = "../../../../tmp/evil\u202e/\\..\\name\n.txt"
SHALOM = "\u200f\u05e9\u05dc\u05d5\u05dd"
MIB = 2**20


@pytest.fixture
def anna() -> Mailbox:
    return Exchange(seed=5).add_mailbox(ANNA, password="secret")


@pytest.fixture
def inbox(anna: Mailbox) -> Folder:
    return anna.folder("inbox")


@pytest.fixture
def server(anna: Mailbox) -> Iterator[Server]:
    with serve(anna.store.exchange, xsd=XSD if XSD.is_dir() else None) as served:
        yield served


def file(content: bytes, name: str | None = "a.bin", **properties: object) -> Attachment:
    return Attachment("FileAttachment", name, content, "application/octet-stream", properties=properties)


def furnish(inbox: Folder) -> list[Item]:
    """Give the Inbox items with attachments of every kind, and some without."""
    return [
        inbox.add(attachments=[file(b""), file(b"x"), file(bytes(range(256)) * 5, EVIL)]),
        inbox.add(
            attachments=[
                file(b"picture", "p.png", IsInline=True, ContentId="p@1"),
                link(),
                inner("\u200f\u05e9\u05dc\u05d5\u05dd"),
            ]
        ),
        inbox.add(),
        inbox.add("PostItem", attachments=[file(b"post" * 1000, None)]),
        inbox.add("SharingMessage", attachments=[file(b"\0\xff" * 400_000)]),
        inbox.add(attachments=[file(b"%d" % number, f"{number}.txt") for number in range(25)]),
    ]


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


def corrupt(done: TapRun) -> list[dict[str, Any]]:
    return list(done.table("corrupt_items").values()) if done.of("corrupt_items") else []


# Metadata


def test_every_attachment_is_a_row_after_each_run(anna: Mailbox, inbox: Folder, server: Server) -> None:
    first, second, third, post, *_ = furnish(inbox)
    tables = Tables()
    done = tables.take(run(server))
    assert tables.told() == truth(anna)
    assert requests_of(server, "GetAttachment") == 0
    assert all("attachments" not in row for row in done.of("messages"))
    assert {row["content_status"] for row in done.of("attachments")} == {"not_requested"}
    assert {row["origin"] for row in done.of("attachments")} == {"feed"}

    first.attachments.pop()
    first.update(Subject="one less")
    second.attach(file(b"more"), inner())
    third.attach(file(b"first of its kind"))
    post.delete()
    inbox.items()[0].move(anna.folder("drafts"))
    inbox.add(attachments=[file(b"new")])
    done = tables.take(run(server, state=done.state))
    known = {key: row for key, row in truth(anna).items() if row["folder_key"] != anna.folder("drafts").id}
    inside = {key for key, row in tables.attachments().items()}
    assert tables.told() == {key: row for key, row in known.items() if key in inside}
    assert len(inside) == sum(len(item.attachments) for item in inbox.items())

    idle = run(server, state=done.state)
    assert not idle.of("attachments")
    assert requests_of(server, "GetItem") == 0


def test_a_reference_tells_where_it_leads_and_what_else_the_server_says(inbox: Folder, server: Server) -> None:
    inbox.add(attachments=[link()])
    (row,) = run(server, attachments="content").checked().of("attachments")
    assert row["reference_url"] == "https://files.example.com/plan.xlsx"
    assert row["reference_provider"] == "OneDrivePro"
    assert row["other_properties"] == {"PermissionType": "2", "AttachmentIsFolder": "false"}
    assert (row["content_status"], row["content"]) == ("no_content", None)
    assert requests_of(server, "GetAttachment") == 0


def test_attachments_belong_to_the_load_of_their_item(inbox: Folder, server: Server) -> None:
    furnish(inbox)
    done = run(server, attachments="content").checked()
    items = {row["item_key"]: row["synced_at"] for stream in ITEM_STREAMS for row in done.of(stream)}
    assert len(done.of("attachments")) == sum(len(item.attachments) for item in inbox.items())
    assert all(row["item_synced_at"] == items[row["item_key"]] < row["synced_at"] for row in done.of("attachments"))


@pytest.mark.parametrize(
    ("settings", "selects"),
    [({"attachments": "none"}, None), ({"attachments": "content"}, ("*.*", "!attachments.*", "!*.attachments"))],
)
def test_what_is_not_wanted_is_not_requested(
    inbox: Folder, server: Server, settings: dict[str, str], selects: tuple[str, ...] | None
) -> None:
    furnish(inbox)
    done = run(server, selects=selects, **settings).checked()
    assert not done.of("attachments")
    assert requests_of(server, "GetAttachment") == 0
    asked = [request for request in server.requests if request.operation == "GetItem"]
    assert asked
    assert not any("item:Attachments" in request.properties for request in asked)


def test_contents_are_not_requested_without_a_column_for_them(inbox: Folder, server: Server) -> None:
    furnish(inbox)
    done = run(server, selects=("*.*", "!attachments.content*"), attachments="content").checked()
    assert all("content" not in row and row["name"] is not False for row in done.of("attachments"))
    assert len(done.of("attachments")) == sum(len(item.attachments) for item in inbox.items())
    assert requests_of(server, "GetAttachment") == 0


def test_the_column_of_an_item_is_written_where_it_is_selected(inbox: Folder, server: Server) -> None:
    inbox.add(attachments=[file(b"a"), link()])
    done = run(server, selects=("*.*",)).checked()
    (message,) = done.of("messages")
    assert [one["attachment_type"] for one in message["attachments"]] == ["file", "reference"]
    assert len(done.of("attachments")) == 2
    alone = run(server, selects=("*.*", "!attachments.*")).checked()
    assert len(alone.of("messages")[0]["attachments"]) == 2


# Contents


def test_contents_in_rows_equal_the_mailbox(anna: Mailbox, inbox: Folder, server: Server) -> None:
    items = furnish(inbox)
    tables = Tables()
    done = tables.take(run(server, attachments="content"))
    assert tables.told() == truth(anna, content=True)
    first, binary = tables.of("attachments")[key_of(items[0], 1)], tables.of("attachments")[key_of(items[4], 1)]
    assert (first["content"], first["content_size"], first["content_status"]) == ("", 0, "loaded")
    assert b64decode(binary["content"], validate=True) == b"\0\xff" * 400_000
    assert not corrupt(done)
    # 25 small files of one item in one request, each attached item in its own
    assert max(len(request.ids) for request in server.requests if request.operation == "GetAttachment") > 10

    items[1].attach(inner("Another", MimeContent=b"From: a\r\n\r\nwhole\0"))
    items[4].attachments[0] = file(b"changed")
    items[4].update(Subject="changed")
    done = tables.take(run(server, state=done.state, attachments="content"))
    assert tables.told() == truth(anna, content=True)
    assert len(done.of("attachments")) == 5


def test_contents_in_a_folder_are_files_named_by_their_keys(
    anna: Mailbox, inbox: Folder, server: Server, tmp_path: Path
) -> None:
    furnish(inbox)
    tables = Tables()
    folder = tmp_path / "mail" / "attachments"
    done = tables.take(run(server, attachments="content", attachment_dir=str(folder)))
    assert tables.told() == truth(anna, content=True)
    rows = [row for row in tables.attachments().values() if row["content_status"] == "loaded"]
    for row in rows:
        path = Path(row["content_path"])
        assert path == folder / row["attachment_key"][:2] / row["attachment_key"]
        assert path.stat().st_size == row["content_size"]
        assert row["content"] is None
    found = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {Path(row["content_path"]) for row in rows} | {folder / ".tap-exchange"}

    item = inbox.items()[0]
    item.attachments[0] = file(b"overwritten")
    item.update(Subject="again")
    tables.take(run(server, state=done.state, attachments="content", attachment_dir=str(folder)))
    assert Path(tables.attachments()[key_of(item, 1)]["content_path"]).read_bytes() == b"overwritten"


def test_contents_go_wherever_fsspec_reaches(anna: Mailbox, inbox: Folder, server: Server) -> None:
    import fsspec  # noqa: PLC0415

    furnish(inbox)
    tables = Tables()
    tables.take(run(server, attachments="content", attachment_dir="memory://bucket/mail"))
    assert tables.told() == truth(anna, content=True)
    store = fsspec.filesystem("memory")
    for row in tables.attachments().values():
        if row["content_status"] == "loaded":
            key = row["attachment_key"]
            assert row["content_path"] == f"memory:///bucket/mail/{key[:2]}/{key}"
            assert store.size(row["content_path"]) == row["content_size"]
    assert not [path for path in store.find("/bucket") if ".part-" in path]


@pytest.mark.parametrize("in_files", [False, True])
def test_what_is_larger_than_the_maximum_has_its_metadata(
    inbox: Folder,
    server: Server,
    tmp_path: Path,
    in_files: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Whole at the maximum; a byte above is found on arrival, far above it is not even asked for."""
    sizes = {"most": 50_000, "above": 50_001, "far": 90_000}
    item = inbox.add(attachments=[file(b"m" * size, name) for name, size in sizes.items()])
    settings = {"attachment_dir": str(tmp_path)} if in_files else {}
    done = run(server, attachments="content", attachment_max_bytes=50_000, **settings).checked()
    rows = {row["name"]: row for row in done.of("attachments")}
    assert {name: row["content_status"] for name, row in rows.items()} == {
        "most": "loaded",
        "above": "too_large",
        "far": "too_large",
    }
    assert [row["content_size"] for row in rows.values() if row["content_status"] == "loaded"] == [50_000]
    assert rows["far"]["size"] > 90_000
    assert rows["above"]["content"] is rows["above"]["content_path"] is rows["above"]["content_sha256"] is None
    asked = [
        attachment for request in server.requests if request.operation == "GetAttachment" for attachment in request.ids
    ]
    assert len(asked) == 2
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == ({".tap-exchange", key_of(item, 1)} if in_files else set())
    assert not corrupt(done)


def test_the_largest_content_of_a_row_fits_its_line(inbox: Folder, server: Server) -> None:
    """The helper that reads the lines refuses one over 50 MiB."""
    most = 36 * MIB
    inbox.add(attachments=[file(b"\xfb" * most, "n" * 2000)])
    (row,) = run(server, attachments="content", attachment_max_bytes=most).checked().of("attachments")
    assert row["content_size"] == most


def test_an_attached_item_without_a_mime_form_has_class_and_subject(inbox: Folder, server: Server) -> None:
    item = inbox.add(attachments=[inner("Encrypted"), file(b"fine")])

    class NoMime(Fault):
        def attachment(self, call: Call, item: Item, attachment: Attachment) -> None:  # noqa: ARG002
            if call.body.find(".//{*}IncludeMimeContent") is not None:
                raise ServiceError("ErrorMimeContentConversionFailed")

    done = run(server, NoMime(), attachments="content").checked()
    rows = {row["attachment_type"]: row for row in done.of("attachments")}
    assert (rows["item"]["item_class"], rows["item"]["item_subject"]) == ("IPM.Note", "Encrypted")
    assert (rows["item"]["content_status"], rows["file"]["content_status"]) == ("failed", "loaded")
    (bad,) = corrupt(done)
    assert (bad["stage"], bad["code"]) == ("attachment", "ErrorMimeContentConversionFailed")
    assert bad["missing_properties"] == [key_of(item, 1)]


# What goes wrong


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


@dataclass(eq=False)
class Meanwhile(Fault):
    """Somebody edits the mailbox as the first GetAttachment arrives."""

    edit: Any
    done: bool = False

    def arrived(self, request: Request) -> None:
        if request.operation == "GetAttachment" and not self.done:
            self.done = True
            self.edit()


def test_an_item_deleted_or_changed_meanwhile_is_told_by_the_feed(anna: Mailbox, inbox: Folder, server: Server) -> None:
    gone, changed = inbox.add(attachments=[file(b"gone")]), inbox.add(attachments=[file(b"first"), file(b"second")])

    def edit() -> None:
        gone.delete()
        changed.attachments.pop()
        changed.update(Subject="one less")

    tables = Tables()
    done = tables.take(run(server, Meanwhile(edit), attachments="content"))
    assert not corrupt(done)
    assert {row["content_status"] for row in done.of("attachments")} <= {"loaded", "gone"}
    done = tables.take(run(server, state=done.state, attachments="content"))
    assert tables.told() == truth(anna, content=True)


def test_an_attachment_that_is_listed_and_never_found_is_told(inbox: Folder, server: Server) -> None:
    inbox.add(attachments=[file(b"lost", "lost.bin"), file(b"here")])
    done = run(server, AttachmentFails({"lost.bin": "ErrorItemNotFound"}), attachments="content").checked()
    assert [row["content_status"] for row in done.of("attachments")] == ["failed", "loaded"]
    assert [row["code"] for row in corrupt(done)] == ["ErrorItemNotFound"]


# Other settings, other selections


def test_changed_settings_fill_what_is_there_already(anna: Mailbox, inbox: Folder, server: Server) -> None:
    furnish(inbox)
    tables = Tables()
    done = tables.take(run(server, attachments="none"))
    assert not tables.attachments()

    done = tables.take(run(server, state=done.state))
    assert tables.told() == truth(anna)
    assert {row["origin"] for row in done.of("attachments")} == {"fill"}
    reset = [row for row in done.of("folder_syncs") if row["folder_id"] == inbox.id][-1]["resets"]["attachments"]
    assert reset < min(row["synced_at"] for row in done.of("attachments"))

    small = {"attachments": "content", "attachment_max_bytes": 1000}
    done = tables.take(run(server, state=done.state, **small))
    assert {row["content_status"] for row in tables.attachments().values()} == {"loaded", "too_large", "no_content"}
    idle = run(server, state=done.state, **small)
    assert requests_of(server, "GetItem") == requests_of(server, "GetAttachment") == 0

    done = tables.take(run(server, state=idle.state, attachments="content"))
    assert tables.told() == truth(anna, content=True)


def test_a_stream_selected_later_is_filled(anna: Mailbox, inbox: Folder, server: Server) -> None:
    furnish(inbox)
    tables = Tables()
    done = tables.take(run(server, selects=("*.*", "!attachments.*", "!*.attachments", "!posts.*")))
    inbox.items()[-1].delete()
    inbox.add(attachments=[file(b"new")])
    done = tables.take(run(server, state=done.state, selects=("*.*", "!*.attachments")))
    assert tables.told() == truth(anna)
    run(server, state=done.state, selects=("*.*", "!*.attachments"))
    assert requests_of(server, "GetItem") == 0


def test_a_read_flag_that_reloads_its_item_takes_the_attachments_along(
    anna: Mailbox, inbox: Folder, server: Server
) -> None:
    item = inbox.add(attachments=[file(b"a")])
    tables = Tables()
    done = tables.take(run(server, read_flags="reload", attachments="content"))
    item.mark_read()
    tables.take(run(server, state=done.state, read_flags="reload", attachments="content"))
    assert tables.told() == truth(anna, content=True)
    (row,) = tables.attachments().values()
    assert row["item_synced_at"] == next(iter(tables.items().values()))["synced_at"]


def test_a_folder_started_over_has_its_attachments_anew(anna: Mailbox, inbox: Folder, server: Server) -> None:
    furnish(inbox)
    tables = Tables()
    done = tables.take(run(server, attachments="content"))
    inbox.items()[0].delete()
    inbox.restore_feed()
    done = tables.take(run(server, state=done.state, attachments="content"))
    reset = [row for row in done.of("folder_syncs") if row["folder_id"] == inbox.id][-1]["resets"]["attachments"]
    live = {key for key, row in tables.attachments().items() if row["synced_at"] > reset}
    assert live == set(truth(anna))
    assert tables.told(live) == truth(anna, content=True)


def test_a_folder_without_a_feed_has_its_attachments_too_and_anew_when_the_setting_changes(
    anna: Mailbox, inbox: Folder, server: Server
) -> None:
    furnish(inbox)
    broken = FolderFails("ErrorInternalServerError", inbox, On("SyncFolderItems"))
    tables = Tables()
    done = tables.take(run(server, broken))
    assert {row["origin"] for row in done.of("attachments")} == {"listing"}
    assert tables.told() == truth(anna)
    idle = tables.take(run(server, broken, state=done.state))
    assert not idle.of("attachments")
    tables.take(run(server, broken, state=idle.state, attachments="content"))
    assert tables.told() == truth(anna, content=True)


def test_attachments_of_other_stores_are_copied_too(anna: Mailbox, server: Server) -> None:
    archive = anna.add_archive()
    public = anna.store.exchange.add_public_folders()
    old = archive.distinguished("archiveinbox").add("Message", attachments=[file(b"old"), inner()])
    shared = public.new_folder("Shared", public.root).add("Message", attachments=[file(b"shared")])
    done = run(server, attachments="content", stores=["archive", "public_folders"], folders_include=[]).checked()
    rows = {(row["store"], row["item_id"], row["name"]): row["content_status"] for row in done.of("attachments")}
    assert rows == {
        ("archive", old.id, "a.bin"): "loaded",
        ("archive", old.id, "Inner"): "loaded",
        ("public_folders", shared.id, "a.bin"): "loaded",
    }


def test_with_a_start_date_only_attachments_of_recent_items_are_loaded(
    anna: Mailbox, inbox: Folder, server: Server
) -> None:
    recent, old = datetime(2024, 6, 1, tzinfo=timezone.utc), datetime(2020, 6, 1, tzinfo=timezone.utc)
    item = inbox.add(attachments=[file(b"recent")], DateTimeReceived=recent)
    inbox.add(attachments=[file(b"old")], DateTimeReceived=old)
    tables = Tables()
    settings = {"start_date": "2024-01-01", "attachments": "content"}
    done = tables.take(run(server, **settings))
    assert set(tables.told()) == {key_of(item, 1)}
    settings["attachment_max_bytes"] = 2 * MIB  # a fill
    item.attach(file(b"more"))
    tables.take(run(server, state=done.state, **settings))
    live = {key_of(item, 1), key_of(item, 2)}
    assert tables.told() == {key: row for key, row in truth(anna, content=True).items() if key in live}


# Bad input


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("{taken}", "cannot be written (File exists)"),
        ("{taken}/below", "cannot be written (Not a directory)"),
        ("nonsense://bucket/x", "cannot be written (Protocol not known: nonsense"),
        ("s3://bucket/x", "cannot be written ("),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_line_before_anything_is_loaded(
    inbox: Folder, server: Server, tmp_path: Path, address: str, reason: str
) -> None:
    furnish(inbox)
    taken = tmp_path / "taken"
    taken.write_text("")
    address = address.format(taken=taken)
    failed = run(server, attachments="content", attachment_dir=address)
    assert failed.exit_code == 1
    (line,) = [line for line in failed.stderr.splitlines() if "ERROR" in line]
    assert f"attachment_dir: {address} {reason}" in line
    assert not failed.records
    assert not server.requests
    assert list(tmp_path.iterdir()) == [taken]


def test_a_password_in_the_address_of_the_folder_is_not_told(server: Server) -> None:
    failed = run(server, attachments="content", attachment_dir="nonsense://user:hush@bucket/x")
    assert "attachment_dir: nonsense://bucket/x cannot be written" in failed.stderr
    assert "hush" not in failed.stderr


def test_a_disk_that_fills_up_ends_the_run_and_the_next_completes_it(
    anna: Mailbox, inbox: Folder, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(inbox)
    settings = {"attachments": "content", "attachment_dir": str(tmp_path)}
    with monkeypatch.context() as patch:
        patch.setattr(InFile, "write", lambda self, _: self._store.refuse(OSError(28, "No space left on device")))
        failed = run(server, **settings)
    assert failed.exit_code == 1
    assert f"attachment_dir: {tmp_path} cannot be written (No space left on device)" in failed.stderr
    assert not corrupt(failed)
    tables = Tables()
    tables.take(run(server, state=failed.state, **settings))
    assert tables.told() == truth(anna, content=True)
    assert not list(tmp_path.rglob(".part-*"))


def test_what_a_killed_run_left_in_the_folder_is_removed(tmp_path: Path) -> None:
    import os  # noqa: PLC0415

    old, young = tmp_path / ".part-old", tmp_path / ".part-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    FileStore(str(tmp_path))
    assert not old.exists()
    assert young.exists()


# The views


def test_the_live_view_shows_the_attachments_of_the_mailbox(
    anna: Mailbox, inbox: Folder, server: Server, tmp_path: Path
) -> None:
    items = furnish(inbox)
    warehouse = JSONLines(tmp_path)
    first = run(server, attachments="content").checked()
    items[0].attachments.pop()
    items[0].update(Subject="one less")
    items[1].delete()
    items[2].attach(file(b"more"))
    second = run(server, state=first.state, attachments="content").checked()
    for done in (first, second):
        warehouse.load((said["stream"], said["record"]) for said in done.messages.parsed if said["type"] == "RECORD")
    shown = warehouse.live("attachments")
    warehouse.close()
    assert {key: same_columns(row) for key, row in shown.items()} == truth(anna, content=True)
