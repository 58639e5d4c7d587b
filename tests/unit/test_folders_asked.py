"""Roots, distinguished folders and folders by id: what each server is asked, and what is made of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from tap_exchange.ews import ask
from tap_exchange.ews.errors import IncompleteAnswer, MailboxError, TransientError
from tap_exchange.ews.operations import Mailbox
from tests.wire import ANNA, URL, Connection, IdShape, answer, asked, failure, fault, mailbox, success, transport

if TYPE_CHECKING:
    from requests_mock import Mocker


def folder(folder_id: str, content: str = "", name: str = "Folder") -> str:
    inner = f'<t:{name}><t:FolderId Id="{folder_id}" ChangeKey="K"/>{content}</t:{name}>'
    return success("GetFolder", f"<m:Folders>{inner}</m:Folders>")


def test_the_root_of_each_store(requests_mock: Mocker) -> None:
    content = (
        "<t:FolderClass>IPF</t:FolderClass><t:DisplayName>Top</t:DisplayName><t:TotalCount>3</t:TotalCount>"
        "<t:ChildFolderCount>16</t:ChildFolderCount>"
    )
    requests_mock.post(URL, text=answer("GetFolder", folder("R", content)))
    roots = {
        "primary": "msgfolderroot",
        "archive": "archivemsgfolderroot",
        "recoverable_items": "recoverableitemsroot",
        "public_folders": "publicfoldersroot",
    }
    for store, name in roots.items():
        root = mailbox(store=store).root()
        assert (root.folder_id, root.name, root.folder_class) == ("R", "Top", "IPF")
        assert (root.total_count, root.child_folder_count, root.element) == (3, 16, "Folder")
        sent = asked(requests_mock).find(".//{*}DistinguishedFolderId")
        assert sent.get("Id") == name
        assert sent.findtext("{*}Mailbox/{*}EmailAddress") == (None if store == "public_folders" else ANNA)


def test_impersonation_names_no_mailbox_in_the_body(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetFolder", folder("R")))
    mailbox(impersonate=True).root()
    assert asked(requests_mock).find(".//{*}Mailbox") is None


@pytest.mark.parametrize("own", [True, False])
def test_only_the_accounts_own_mailbox_is_opened_without_its_address(requests_mock: Mocker, *, own: bool) -> None:
    def respond(request: Any, context: Any) -> str:  # noqa: ANN401
        if "t:EmailAddress" in request.text:
            context.status_code = 500
            return fault("ErrorSchemaValidation")
        return answer("GetFolder", folder("R"))

    requests_mock.post(URL, text=respond)
    connection = Connection()
    connection.own_address = ANNA if own else "boris@example.com"
    wire = Mailbox(transport(connection), ANNA)
    if own:
        assert wire.root().folder_id == "R"
        assert asked(requests_mock).find(".//{*}Mailbox") is None
    else:
        with pytest.raises(MailboxError):
            wire.root()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ErrorNonExistentMailbox", MailboxError),
        ("ErrorAccessDenied", MailboxError),
        ("ErrorFolderNotFound", MailboxError),
        ("ErrorItemNotFound", MailboxError),
    ],
)
def test_a_root_that_cannot_be_opened_is_the_mailboxes_failure(requests_mock: Mocker, code: str, kind: type) -> None:
    requests_mock.post(URL, text=answer("GetFolder", failure("GetFolder", code)))
    with pytest.raises(kind) as raised:
        mailbox().root()
    assert raised.value.code == code
    assert ANNA in str(raised.value)


def test_a_store_that_the_mailbox_lacks_is_named(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetFolder", failure("GetFolder", "ErrorFolderNotFound")))
    with pytest.raises(MailboxError, match="has no recoverable items"):
        mailbox(store="recoverable_items").root()


def test_public_folders_that_do_not_exist_are_not_waited_for(requests_mock: Mocker) -> None:
    gone = failure("GetFolder", "ErrorNoPublicFolderReplicaAvailable")
    requests_mock.post(URL, text=answer("GetFolder", gone))
    with pytest.raises(MailboxError, match="no public folders"):
        mailbox(store="public_folders").root()
    assert requests_mock.call_count == 1


def named(mock: Mocker, number: int = -1) -> list[str]:
    return [node.get("Id") for node in asked(mock, number).iter("{*}DistinguishedFolderId")]


def answers_to_names(context: dict[str, Any], *missing: str) -> Any:  # noqa: ANN401 - a callback
    def respond(request: Any, _: Any) -> str:  # noqa: ANN401
        names = [node.get("Id") for node in etree.fromstring(request.body).iter("{*}DistinguishedFolderId")]
        context["names"] = names
        gone = failure("GetFolder", "ErrorFolderNotFound")
        return answer("GetFolder", *[gone if n in missing else folder(f"id-{n}") for n in names])

    return respond


def test_all_distinguished_folders_in_one_request(requests_mock: Mocker) -> None:
    context: dict[str, Any] = {}
    requests_mock.post(URL, text=answers_to_names(context, "voicemail", "journal"))
    found = mailbox().distinguished().names
    assert requests_mock.call_count == 1
    assert found["id-inbox"] == "inbox"
    assert "id-voicemail" not in found
    assert {"inbox", "calendar", "msgfolderroot", "syncissues"} <= set(context["names"])
    assert not [n for n in context["names"] if n.startswith(("archive", "recoverable", "public"))]


@pytest.mark.parametrize(
    ("store", "name"),
    [("archive", "archivedeleteditems"), ("recoverable_items", "recoverableitemspurges")],
)
def test_each_store_asks_for_its_own_names(requests_mock: Mocker, store: str, name: str) -> None:
    requests_mock.post(URL, text=answers_to_names({}))
    assert mailbox(store=store).distinguished().names[f"id-{name}"] == name
    assert "inbox" not in named(requests_mock)


def test_a_server_that_lacks_a_name_is_asked_for_fewer(requests_mock: Mocker) -> None:
    refused = {"status_code": 500, "text": fault("ErrorSchemaValidation")}
    requests_mock.post(URL, [refused, {"text": answers_to_names({})}])
    assert mailbox().distinguished().names["id-inbox"] == "inbox"
    assert "syncissues" in named(requests_mock, 0)
    assert "syncissues" not in named(requests_mock, 1)


@pytest.mark.parametrize("code", ["ErrorSchemaValidation", "ErrorInvalidPropertyRequest", ""])
def test_a_server_that_lacks_all_but_the_common_names_is_asked_for_those(requests_mock: Mocker, code: str) -> None:
    def respond(request: Any, context: Any) -> str:  # noqa: ANN401
        if "voicemail" in request.text or "folder:DistinguishedFolderId" in request.text:
            context.status_code = 500
            return fault(code)
        return answers_to_names({})(request, context)

    requests_mock.post(URL, text=respond)
    assert mailbox().distinguished().names["id-inbox"] == "inbox"


def test_a_server_that_knows_no_distinguished_folder_has_none(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorInvalidRequest"), status_code=500)
    assert mailbox().distinguished().names == {}


def test_a_server_that_is_busy_is_not_taken_for_one_without_distinguished_folders(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorServerBusy"), status_code=500)
    with pytest.raises(TransientError):
        mailbox(max_wait=5).distinguished()


def test_a_folder_that_says_its_own_name_is_believed(requests_mock: Mocker) -> None:
    def shuffled(request: Any, _: Any) -> str:  # noqa: ANN401
        names = [node.get("Id") for node in etree.fromstring(request.body).iter("{*}DistinguishedFolderId")]
        own = "<t:DistinguishedFolderId>{}</t:DistinguishedFolderId>"
        return answer("GetFolder", *[folder(f"id-{n}", own.format(n)) for n in reversed(names)])

    requests_mock.post(URL, text=shuffled)
    found = mailbox().distinguished().names
    assert all(folder_id == f"id-{name}" for folder_id, name in found.items())


def test_too_few_distinguished_folders_are_not_believed(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetFolder", folder("id-inbox")))
    with pytest.raises(IncompleteAnswer):
        mailbox().distinguished()


def test_names_a_server_is_too_old_for_are_not_asked() -> None:
    from tap_exchange.ews.answers import ServerInfo  # noqa: PLC0415

    newest = {
        build: ask.distinguished_names("primary", ServerInfo(build, ""))[0]
        for build in ("8.1.1", "14.3.1", "15.1.1", "15.20.1.1")
    }
    assert "syncissues" not in newest["8.1.1"]
    assert "syncissues" not in newest["14.3.1"]
    assert "syncissues" in newest["15.1.1"]
    assert "teamchat" not in newest["15.1.1"]
    assert "teamchat" in newest["15.20.1.1"]


def test_folders_are_loaded_like_items(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=answer("GetFolder", folder("F1"), failure("GetFolder", "ErrorFolderNotFound")))
    answers = mailbox().get_folders(["F1", "F2"], IdShape())
    assert (answers[0].element, answers[0].record) == ("Folder", {"item_id": "F1"})
    assert (answers[1].id, answers[1].code) == ("F2", "ErrorFolderNotFound")
    assert [node.get("Id") for node in asked(requests_mock).iter("{*}FolderId")] == ["F1", "F2"]


def test_the_server_is_known_after_the_first_answer(requests_mock: Mocker) -> None:
    text = answer("GetFolder", folder("R"))
    info = '<t:ServerVersionInfo MajorVersion="15" MinorVersion="20" MajorBuildNumber="8769" MinorBuildNumber="35"/>'
    requests_mock.post(URL, text=text.replace("<s:Header>", f"<s:Header>{info}"))
    one = mailbox()
    one.root()
    assert one.server is not None
    assert (one.server.build, one.server.online) == ("15.20.8769.35", True)
