"""Autodiscover finds the endpoint, signs in only where it should, and fails in one line, soon."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from exchangelib.autodiscover.cache import autodiscover_cache
from exchangelib.autodiscover.discovery import Autodiscovery

from tap_exchange.ews import autodiscover as module
from tap_exchange.ews.connect import connect
from tap_exchange.ews.errors import FatalError
from tap_exchange.settings import Settings

if TYPE_CHECKING:
    from requests_mock import Mocker

PATH = "/autodiscover/autodiscover.svc"
HOST = f"https://autodiscover.example.org{PATH}"
ROOT = f"https://example.org{PATH}"
PLAIN = f"http://autodiscover.example.org{PATH}"
ASKS = {"status_code": 401, "headers": {"WWW-Authenticate": 'Basic realm="x"'}}
GONE = {"exc": requests.exceptions.ConnectionError}
BASICS: dict[str, Any] = {"autodiscover": True, "username": "anna@example.org", "password": "geheim"}

USER = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
  xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover">
 <s:Header><a:ServerVersionInfo><a:MajorVersion>15</a:MajorVersion><a:MinorVersion>0</a:MinorVersion>
  <a:MajorBuildNumber>1497</a:MajorBuildNumber><a:MinorBuildNumber>2</a:MinorBuildNumber></a:ServerVersionInfo>
 </s:Header>
 <s:Body><a:GetUserSettingsResponseMessage><a:Response><a:ErrorCode>NoError</a:ErrorCode><a:UserResponses>
  <a:UserResponse><a:ErrorCode>{code}</a:ErrorCode><a:ErrorMessage>of Anna</a:ErrorMessage>
   <a:RedirectTarget>{target}</a:RedirectTarget><a:UserSettingErrors/><a:UserSettings>{settings}</a:UserSettings>
  </a:UserResponse></a:UserResponses></a:Response></a:GetUserSettingsResponseMessage></s:Body></s:Envelope>"""


def answer(url: str = "", schemas: str = "", code: str = "NoError", target: str = "") -> dict[str, Any]:
    values = {"ExternalEwsUrl": url, "EwsSupportedSchemas": schemas}
    settings = "".join(
        f"<a:UserSetting><a:Name>{name}</a:Name><a:Value>{value}</a:Value></a:UserSetting>"
        for name, value in values.items()
        if value
    )
    return {"text": USER.format(code=code, target=target, settings=settings)}


FOUND = answer("https://mail.example.org/EWS/Exchange.asmx", "Exchange2010, Exchange2013_SP1")


@pytest.fixture(autouse=True)
def _no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Autodiscovery, "_get_srv_records", lambda *_: [])


@pytest.fixture
def world(requests_mock: Mocker) -> Mocker:
    requests_mock.post(HOST, **GONE)
    requests_mock.get(PLAIN, **GONE)
    requests_mock.post(ROOT, **GONE)
    return requests_mock


def signed_in(world: Mocker) -> list[str]:
    return [request.hostname for request in world.request_history if "Authorization" in request.headers]


def test_the_endpoint_and_its_version_are_found(world: Mocker) -> None:
    world.post(HOST, [ASKS, FOUND])
    connection = connect(Settings.from_config(BASICS))
    connection.close()
    assert connection.url == "https://mail.example.org/EWS/Exchange.asmx"
    assert connection.versions[:2] == ("Exchange2013_SP1", "Exchange2016")
    assert connection.mailboxes == ("anna@example.org",)
    assert [request.url for request in world.request_history] == [HOST, HOST]
    assert signed_in(world) == ["autodiscover.example.org"]
    assert "of Anna" not in str(connection)


def test_nothing_is_kept_on_disk(world: Mocker, monkeypatch: pytest.MonkeyPatch) -> None:
    def used(*_: object) -> None:
        raise AssertionError

    for name in ("__contains__", "__getitem__", "__setitem__", "__enter__"):
        monkeypatch.setattr(type(autodiscover_cache), name, used)
    world.post(HOST, [ASKS, FOUND])
    connect(Settings.from_config(BASICS)).close()


def test_the_domain_itself_is_asked_last(world: Mocker) -> None:
    world.post(ROOT, [ASKS, FOUND])
    connect(Settings.from_config(BASICS)).close()
    assert signed_in(world) == ["example.org"]
    assert [request.url for request in world.request_history][-2:] == [ROOT, ROOT]


def test_a_token_is_sent_without_a_question(world: Mocker) -> None:
    world.post("https://login.microsoftonline.com/t/oauth2/v2.0/token", json={"access_token": "x", "expires_in": 60})
    world.post(HOST, **FOUND)
    config = {
        "autodiscover": "anna@example.org",
        "auth_type": "oauth_client_credentials",
        "tenant_id": "t",
        "client_id": "app",
        "client_secret": "geheim",
    }
    connection = connect(Settings.from_config(config))
    connection.close()
    assert connection.mailboxes == ("anna@example.org",)
    assert world.last_request.headers["Authorization"] == "Bearer x"


def test_the_plain_redirect_leads_to_microsoft_and_the_own_domain(world: Mocker) -> None:
    for host in ("autodiscover-s.outlook.com", "mail.example.org"):
        target = f"https://{host}{PATH}"
        world.get(PLAIN, status_code=302, headers={"Location": target})
        world.head(target, status_code=200)
        world.post(target, [ASKS, FOUND])
        connect(Settings.from_config(BASICS)).close()
        assert signed_in(world)[-1] == host


@pytest.mark.parametrize("host", ["attacker.net", "outlook.com.attacker.net", "myoutlook.com", "notexample.org"])
def test_a_forged_redirect_gets_no_credentials(world: Mocker, host: str) -> None:
    world.get(PLAIN, status_code=302, headers={"Location": f"https://{host}{PATH}"})
    with pytest.raises(FatalError, match=f"autodiscover leads to {host}, outside of the address's domain"):
        connect(Settings.from_config(BASICS))
    assert host not in [request.hostname for request in world.request_history]


def test_the_address_that_the_server_names_is_asked_for(world: Mocker) -> None:
    world.post(HOST, [ASKS, answer(code="RedirectAddress", target="anna@example.net")])
    world.post(f"https://autodiscover.example.net{PATH}", [ASKS, FOUND])
    connect(Settings.from_config(BASICS)).close()
    assert signed_in(world) == ["autodiscover.example.org", "autodiscover.example.net"]


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([GONE], "autodiscover finds no Exchange for example.org"),
    ([ASKS, ASKS], "autodiscover refuses the sign-in: check username, password and auth_type"),
    ([ASKS, answer(code="InvalidUser")], "autodiscover does not know this address"),
    ([ASKS, answer(code="InvalidDomain")], "autodiscover finds no Exchange for example.org"),
    ([ASKS, answer("http://mail.example.org/EWS/Exchange.asmx")], "autodiscover finds no Exchange"),
    ([ASKS, answer(code="RedirectAddress", target="anna@example.org")], "autodiscover finds no Exchange"),
    ([ASKS, {"text": "<html>of Anna"}], "autodiscover finds no Exchange"),
    ([{"text": "<html>of Anna"}], "autodiscover finds no Exchange"),
    ([{"status_code": 404}], "autodiscover finds no Exchange"),
    ([{"exc": requests.exceptions.SSLError("of Anna")}], "autodiscover: no TLS connection with autodiscover"),
]


@pytest.mark.parametrize(("answers", "words"), REFUSED, ids=range(len(REFUSED)))
def test_a_failed_search_is_one_line(
    world: Mocker, caplog: pytest.LogCaptureFixture, answers: list[dict[str, Any]], words: str
) -> None:
    caplog.set_level(logging.INFO)
    world.post(HOST, answers)
    with pytest.raises(FatalError) as refusal:
        connect(Settings.from_config(BASICS))
    message = str(refusal.value)
    assert words in message
    for unwanted in ("\n", "of Anna", "geheim"):
        assert unwanted not in message
    assert "anna@" not in caplog.text
    assert "of Anna" not in caplog.text


def test_a_search_ends_in_time(world: Mocker, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> str:
        time.sleep(0.5)
        return ""

    monkeypatch.setattr(module, "PATIENCE", 0.1)
    world.post(HOST, text=slow)
    with pytest.raises(FatalError, match="set ews_url instead"):
        connect(Settings.from_config(BASICS))
    time.sleep(1)
