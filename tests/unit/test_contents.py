"""Contents of attachments: counted, hashed and kept whole, in a row or in a file, or not at all."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem
from hypothesis import given
from hypothesis import strategies as st

from tap_exchange.ews.answers import ItemChange
from tap_exchange.ews.errors import FatalError
from tap_exchange.sync.attachments import TOGETHER, Wanted, _together
from tap_exchange.sync.contents import InRow, Taken
from tap_exchange.sync.corrupt import bad_attachments, mark_key
from tap_exchange.sync.files import FileStore, file_name, without_password
from tap_exchange.sync.page import BadAttachment

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "0123456789abcdef0123456789abcdef"
CHANGE = ItemChange("create", "I", "CK", "Message")


@given(st.lists(st.binary(max_size=40)), st.integers(0, 200))
def test_a_content_is_whole_or_left_out_whatever_its_pieces(pieces: list[bytes], most: int) -> None:
    content = b"".join(pieces)
    taken = Taken(InRow(), most)
    for piece in pieces:
        taken.write(piece)
    assert taken.is_too_large is (len(content) > most)
    if not taken.is_too_large:
        assert taken.keep() == {
            "content": b64encode(content).decode(),
            "content_sha256": sha256(content).hexdigest(),
            "content_size": len(content),
        }


def test_nothing_is_held_of_what_became_too_large() -> None:
    row = InRow()
    taken = Taken(row, 10)
    for _ in range(5):
        taken.write(b"1234")
    assert taken.is_too_large
    assert row.keep() == {"content": ""}


# Files


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 1000])
def test_a_file_appears_whole_under_its_key(tmp_path: Path, content: bytes) -> None:
    store = FileStore(str(tmp_path / "new" / "folder"))
    file = store.begin(file_name(KEY))
    file.write(content)
    assert not (tmp_path / "new/folder/01").exists()
    place = Path(file.keep()["content_path"])
    assert place == tmp_path / "new/folder/01" / KEY
    assert place.read_bytes() == content
    file.discard()  # of what is kept nothing is dropped
    assert place.exists()


def test_what_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    file = FileStore(str(tmp_path)).begin(file_name(KEY))
    file.write(b"half")
    file.discard()
    assert [path.name for path in tmp_path.iterdir()] == [".tap-exchange"]


def test_an_address_of_this_machine_may_be_written_as_a_url(tmp_path: Path) -> None:
    file = FileStore(f"file://{tmp_path}/out").begin(file_name(KEY))
    file.write(b"content")
    assert file.keep() == {"content_path": f"{tmp_path}/out/01/{KEY}"}


class Cloud(AbstractFileSystem):
    """A store like those of clouds: an object appears when it is put whole, and nothing is moved."""

    protocol = ("abfs", "az")
    objects: ClassVar[dict[str, bytes]] = {}
    breaks: ClassVar[bool] = False

    def put_file(self, lpath: str, rpath: str, **_: object) -> None:
        if Cloud.breaks:
            raise PermissionError("AccessDenied: no right to write\nRequestId: 17")
        self.objects[self._strip_protocol(rpath)] = Path(lpath).read_bytes()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    fsspec.register_implementation("abfs", Cloud, clobber=True)
    Cloud.objects.clear()
    yield Cloud()
    Cloud.breaks = False
    fsspec.register_implementation("abfs", "adlfs.AzureBlobFileSystem", clobber=True)


def test_objects_are_put_where_they_belong_and_never_moved(cloud: Cloud) -> None:
    store = FileStore("abfs://container/mail")
    file = store.begin(file_name(KEY))
    file.write(b"content")
    assert file.keep() == {"content_path": f"abfs://container/mail/01/{KEY}"}
    assert cloud.objects[f"container/mail/01/{KEY}"] == b"content"
    Cloud.breaks = True
    file = store.begin(file_name(KEY[::-1]))
    file.write(b"content")
    with pytest.raises(
        FatalError, match=r"^attachment_dir: abfs://container/mail cannot be written \(AccessDenied: no right"
    ):
        file.keep()
    assert sorted(cloud.objects) == ["container/mail/.tap-exchange", f"container/mail/01/{KEY}"]


def test_a_store_that_refuses_is_one_line(cloud: Cloud) -> None:
    Cloud.breaks = True
    with pytest.raises(FatalError) as caught:
        FileStore("abfs://container/mail")
    assert "\n" not in str(caught.value)
    assert not cloud.objects


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/data/mail", "/data/mail"),
        ("s3://bucket/mail", "s3://bucket/mail"),
        ("sftp://anna:hush@host:22/mail", "sftp://host:22/mail"),
        ("C:\\mail\\anna@example.com", "C:\\mail\\anna@example.com"),
        ("/data/anna@example.com", "/data/anna@example.com"),
    ],
)
def test_an_address_is_told_without_its_password(address: str, shown: str) -> None:
    assert without_password(address) == shown


# What is asked for together, and what is told of it


@given(st.lists(st.tuples(st.sampled_from(["file", "item"]), st.integers(0, 2 * TOGETHER)), max_size=60))
def test_every_content_is_asked_for_once_and_little_at_a_time(listed: list[tuple[Any, int]]) -> None:
    wanted = [Wanted(str(number), kind, size, {}) for number, (kind, size) in enumerate(listed)]
    groups = list(_together(wanted))
    assert sorted(one.attachment_id for group in groups for one in group) == sorted(one.attachment_id for one in wanted)
    for group in groups:
        assert len(group) == 1 or (
            sum(one.size for one in group) <= TOGETHER and all(one.kind == "file" and one.size for one in group)
        )


def test_the_bad_attachments_of_an_item_are_all_named() -> None:
    bad = [BadAttachment(CHANGE, f"{number:032}", "ErrorCorruptData") for number in range(50)]
    told = bad_attachments(bad)
    assert told.missing == tuple(one.attachment_key for one in bad)
    assert told.message.count("ErrorCorruptData") == 20
    assert "and 30 more" in told.message
    assert told.salvaged


def test_an_item_and_its_attachments_are_marked_apart() -> None:
    assert len({mark_key(KEY, stage) for stage in ("load", "attachment")}) == 2
