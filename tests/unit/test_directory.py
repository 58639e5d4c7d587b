"""Reading the directory: the members of a group, whole or not at all."""

from __future__ import annotations

import pytest
import requests_mock

from tap_exchange.ews.directory import Directory, Member
from tap_exchange.ews.errors import IncompleteAnswer, MailboxError
from tap_exchange.sync.mailboxes import members_of
from tests.wire import URL, Connection, answer, failure, success, transport

GROUP = "all&sundry@example.com"


def member(address: str, kind: str = "Mailbox", routing: str = "SMTP") -> str:
    return (
        f"<t:Mailbox><t:Name>x</t:Name><t:EmailAddress>{address}</t:EmailAddress><t:RoutingType>{routing}"
        f"</t:RoutingType><t:MailboxType>{kind}</t:MailboxType></t:Mailbox>"
    )


def expansion(*members: str, last: str = "true") -> str:
    inside = f'<m:DLExpansion TotalItemsInView="1" IncludesLastItemInRange="{last}">{"".join(members)}</m:DLExpansion>'
    return answer("ExpandDL", success("ExpandDL", inside))


def test_members_are_told_by_primary_address_and_kind() -> None:
    with requests_mock.Mocker() as mocked:
        old = "/o=first/cn=old"
        everybody = [member("Anna@Example.com"), member("t@x.org", "PublicDL"), member(old, routing="EX")]
        mocked.post(URL, text=expansion(*everybody))
        found = Directory(transport()).members(GROUP)
    assert found == (Member("anna@example.com", "Mailbox"), Member("t@x.org", "PublicDL"))
    assert "all&amp;sundry@example.com" in mocked.last_request.text


@pytest.mark.parametrize("asker", ["", "anna@example.com"])
def test_an_impersonating_account_asks_as_itself_or_as_it_is_told(asker: str) -> None:
    connection = Connection()
    connection.impersonate = True
    with requests_mock.Mocker() as mocked:
        mocked.post(URL, text=expansion(member("anna@example.com")))
        Directory(transport(connection), asker).members(GROUP)
    assert ("ExchangeImpersonation" in mocked.last_request.text) is bool(asker)
    assert f">{asker}<" in mocked.last_request.text or not asker


@pytest.mark.parametrize(
    "cut", [expansion(member("a@x.org"), last="false"), answer("ExpandDL", success("ExpandDL", ""))]
)
def test_a_part_of_the_members_is_not_believed(cut: str) -> None:
    with requests_mock.Mocker() as mocked:
        mocked.post(URL, text=cut)
        with pytest.raises(IncompleteAnswer):
            Directory(transport()).members(GROUP)


def test_a_group_that_is_not_there_says_so() -> None:
    with requests_mock.Mocker() as mocked:
        mocked.post(URL, text=answer("ExpandDL", failure("ExpandDL", "ErrorNameResolutionNoResults")))
        with pytest.raises(MailboxError) as caught:
            Directory(transport()).members(GROUP)
    assert caught.value.code == "ErrorNameResolutionNoResults"


def test_groups_in_circles_are_walked_once() -> None:
    groups = {"a": ["b", "1"], "b": ["c", "a", "2"], "c": ["c", "b", "1", "3"]}
    asked: list[str] = []

    class Circles(Directory):
        def members(self, group: str) -> tuple[Member, ...]:
            asked.append(group)
            return tuple(Member(one, "PublicDL" if one in groups else "Mailbox") for one in groups[group])

    assert members_of(Circles(transport()), "a") == ["1", "2", "3"]
    assert asked == ["a", "b", "c"]
