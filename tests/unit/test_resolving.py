"""The primary address of a mailbox: from the directory where it can say, and left as it is where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_exchange.ews.errors import MailboxError, TransientError
from tap_exchange.ews.operations import Mailbox
from tests.wire import ANNA, URL, answer, failure, fault, mailbox, success, transport

if TYPE_CHECKING:
    from requests_mock import Mocker


def resolution(address: str, *aliases: str, routing: str = "SMTP", kind: str = "Mailbox") -> str:
    entries = "".join(f'<t:Entry Key="EmailAddress{n}">{a}</t:Entry>' for n, a in enumerate(aliases, 1))
    contact = f"<t:Contact><t:EmailAddresses>{entries}</t:EmailAddresses></t:Contact>" if aliases else ""
    return (
        f"<t:Resolution><t:Mailbox><t:Name>N</t:Name><t:EmailAddress>{address}</t:EmailAddress>"
        f"<t:RoutingType>{routing}</t:RoutingType><t:MailboxType>{kind}</t:MailboxType></t:Mailbox>{contact}</t:Resolution>"
    )


def resolved(*resolutions: str) -> str:
    found = f"<m:ResolutionSet TotalItemsInView='{len(resolutions)}'>{''.join(resolutions)}</m:ResolutionSet>"
    if len(resolutions) > 1:
        return answer(
            "ResolveNames", failure("ResolveNames", "ErrorNameResolutionMultipleResults", found, kind="Warning")
        )
    return answer("ResolveNames", success("ResolveNames", found))


LONGER = "anna@example.com.au"


@pytest.mark.parametrize(
    ("found", "address"),
    [
        ([resolution("Anna@Example.com")], ANNA),
        (
            [resolution("anna.smith@example.com", "SMTP:anna.smith@example.com", "smtp:Anna@example.com")],
            "anna.smith@example.com",
        ),
        ([resolution(LONGER, f"SMTP:{LONGER}"), resolution(ANNA)], ANNA),
        ([resolution(LONGER, f"SMTP:{LONGER}"), resolution("a.s@example.com", f"smtp:{ANNA}")], "a.s@example.com"),
        ([resolution(LONGER, f"SMTP:{LONGER}")], ANNA),
        ([resolution(LONGER), resolution("b@example.com")], ANNA),
        ([resolution("primary@example.com")], "primary@example.com"),
        ([resolution("primary@example.com", "SMTP:a@x.y", "smtp:b@x.y", "smtp:c@x.y")], "primary@example.com"),
        ([resolution("/o=Org/cn=anna", routing="EX")], ANNA),
        ([resolution("list@example.com", kind="PublicDL")], ANNA),
        ([resolution("no address")], ANNA),
    ],
)
def test_the_primary_address(requests_mock: Mocker, found: list[str], address: str) -> None:
    requests_mock.post(URL, text=resolved(*found))
    assert mailbox().resolve() == address


@pytest.mark.parametrize("code", ["ErrorNameResolutionNoResults", "ErrorNameResolutionNoMailbox"])
def test_a_directory_that_knows_no_other_leaves_the_address(requests_mock: Mocker, code: str) -> None:
    requests_mock.post(URL, text=answer("ResolveNames", failure("ResolveNames", code)))
    assert Mailbox(transport(), "Anna@Example.COM").resolve() == ANNA


@pytest.mark.parametrize("code", ["ErrorAccessDenied", "ErrorInternalServerError", "ErrorInvalidOperation"])
def test_a_directory_that_will_not_say_says_nothing(requests_mock: Mocker, code: str) -> None:
    requests_mock.post(URL, text=answer("ResolveNames", failure("ResolveNames", code)))
    assert Mailbox(transport(), "Anna@Example.COM").resolve() is None


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, fault("", faultcode="s:Client", text="Unknown operation.")),
        (200, fault("", faultcode="s:Client", text="Unknown operation.")),
        (500, fault("ErrorInvalidRequest")),
        (500, fault("ErrorAccessDenied")),
        (400, "Bad Request"),
        (501, "<html>Not Implemented</html>"),
    ],
)
def test_a_server_without_a_directory_says_nothing(requests_mock: Mocker, status: int, text: str) -> None:
    requests_mock.post(URL, text=text, status_code=status)
    assert Mailbox(transport(), "Anna@Example.COM").resolve() is None


def test_a_directory_that_is_out_of_order_settles_nothing(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorServerBusy"), status_code=500)
    with pytest.raises(TransientError):
        mailbox(max_wait=5).resolve()


def test_blanks_around_a_response_code_say_nothing(requests_mock: Mocker) -> None:
    text = resolved(resolution("primary@example.com")).replace(">NoError<", ">\n  NoError\n <")
    requests_mock.post(URL, text=text)
    assert mailbox().resolve() == "primary@example.com"


def test_a_mailbox_that_does_not_exist_is_out(requests_mock: Mocker) -> None:
    requests_mock.post(URL, text=fault("ErrorNonExistentMailbox"), status_code=500)
    with pytest.raises(MailboxError, match="no such mailbox"):
        mailbox().resolve()
    requests_mock.post(URL, text=answer("ResolveNames", failure("ResolveNames", "ErrorNonExistentMailbox")))
    with pytest.raises(MailboxError):
        mailbox().resolve()
