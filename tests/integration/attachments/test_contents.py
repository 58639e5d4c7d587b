"""The contents of attachments equal the mailbox, in rows and in files, and files are where the tap says."""

from __future__ import annotations

import os
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tap_exchange.demo.faultplan import Fault
from tap_exchange.demo.soap import ServiceError
from tap_exchange.sync.files import MARK, FileStore, InFile
from tests.attachments import Tables, corrupt, file, furnish, inner, key_of, truth
from tests.trouble import run

if TYPE_CHECKING:
    from tap_exchange.demo.attachments import Attachment
    from tap_exchange.demo.folder import Folder
    from tap_exchange.demo.item import Item
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call

MIB = 2**20


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


@pytest.mark.parametrize("address", [None, "memory://killed"])
def test_what_a_killed_run_left_in_the_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where parts for an object store are gathered
    half = FileStore(address or str(tmp_path)).begin("half")
    half.write(b"half")
    half._file.close()
    (old,) = (path for path in tmp_path.iterdir() if path.name != MARK and path.is_file())
    FileStore(address or str(tmp_path))
    assert old.exists()
    os.utime(old, (0, 0))
    FileStore(address or str(tmp_path))
    assert not old.exists()
