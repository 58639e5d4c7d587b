"""Every auth_type becomes exchangelib credentials, its tokens fetched and renewed once."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
import requests
from exchangelib.credentials import Credentials, OAuth2Credentials
from exchangelib.transport import AUTH_TYPE_MAP, BASIC, CBA, GSSAPI, NTLM, OAUTH2, SSPI

from tap_exchange.ews import signin, tokens
from tap_exchange.ews.certificate import client_certificate
from tap_exchange.ews.errors import ExchangeError, FatalError, TransientError
from tap_exchange.ews.signin import SignIn, sign_in
from tap_exchange.ews.tokens import Provider, Token, TokenCredentials, authority, scope, token_url
from tap_exchange.settings import Settings
from tests.certificates import Made, make

if TYPE_CHECKING:
    from pathlib import Path

    from requests_mock import Mocker

URL = "https://outlook.office365.com/EWS/Exchange.asmx"
TOKEN_URL = "https://login.microsoftonline.com/example.org/oauth2/v2.0/token"
WELL = {"access_token": "token-1", "expires_in": 3600, "token_type": "Bearer"}
BASICS: dict[str, Any] = {"ews_url": URL, "username": "anna@example.org", "password": "geheim"}
APPLICATION: dict[str, Any] = {
    "ews_url": URL,
    "auth_type": "oauth_client_credentials",
    "tenant_id": "example.org",
    "client_id": "app-1",
    "client_secret": "geheim",
    "mailboxes": ["anna@example.org"],
}
REFRESH: dict[str, Any] = {
    "ews_url": URL,
    "auth_type": "oauth_refresh_token",
    "client_id": "app-1",
    "refresh_token": "geheim-1",
    "username": "anna@example.org",
}


@pytest.fixture(scope="module")
def made() -> Made:
    return make("app")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PAUSES", (0.0, 0.0, 0.0))


def way(config: dict[str, Any]) -> SignIn:
    return sign_in(Settings.from_config(config), Provider(requests.Session()))


def token_credentials(config: dict[str, Any]) -> TokenCredentials:
    credentials = way(config).credentials
    assert isinstance(credentials, TokenCredentials)
    return credentials


def test_a_password_signs_in_by_basic_or_ntlm() -> None:
    for kind, theirs in (("basic", BASIC), ("ntlm", NTLM)):
        found = way({**BASICS, "auth_type": kind})
        assert found.auth_type == theirs
        assert isinstance(found.credentials, Credentials)
        assert (found.credentials.username, found.credentials.password) == ("anna@example.org", "geheim")


def test_a_password_beyond_latin_1_is_sent_in_utf_8() -> None:
    found = way({**BASICS, "password": "пароль"}).credentials
    auth = requests.auth.HTTPBasicAuth(found.username, found.password)
    sent = auth(requests.Request("POST", URL).prepare()).headers["Authorization"]
    assert base64.b64decode(sent.split()[1]).decode() == "anna@example.org:пароль"


def test_kerberos_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(AUTH_TYPE_MAP, GSSAPI, raising=False)
    monkeypatch.delitem(AUTH_TYPE_MAP, SSPI, raising=False)
    with pytest.raises(FatalError, match=r"pip install 'tap-exchange\[kerberos\]'"):
        way({**BASICS, "auth_type": "kerberos", "password": None})


def test_kerberos_wants_a_ticket_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    class GSSError(Exception):
        pass

    def absent(**_: str) -> None:
        raise GSSError

    gssapi = SimpleNamespace(Credentials=absent, exceptions=SimpleNamespace(GSSError=GSSError))
    monkeypatch.setitem(AUTH_TYPE_MAP, GSSAPI, object)
    monkeypatch.delitem(AUTH_TYPE_MAP, SSPI, raising=False)
    monkeypatch.setattr(signin.importlib, "import_module", lambda _: gssapi)
    with pytest.raises(FatalError, match="no valid ticket: run kinit"):
        way({**BASICS, "auth_type": "kerberos", "password": None})
    gssapi.Credentials = lambda **_: SimpleNamespace(lifetime=60)
    assert way({**BASICS, "auth_type": "kerberos", "password": None}) == SignIn(GSSAPI, None)


def test_an_application_signs_in_with_its_secret(requests_mock: Mocker) -> None:
    requests_mock.post(TOKEN_URL, json=WELL)
    credentials = token_credentials(APPLICATION)
    assert isinstance(credentials, OAuth2Credentials)
    assert requests_mock.call_count == 0
    assert [credentials.token(), credentials.token()] == ["token-1", "token-1"]
    assert requests_mock.call_count == 1
    assert parse_qs(requests_mock.last_request.text) == {
        "grant_type": ["client_credentials"],
        "client_id": ["app-1"],
        "client_secret": ["geheim"],
        "scope": ["https://outlook.office365.com/.default"],
    }
    assert way(APPLICATION).auth_type == OAUTH2


def test_an_application_signs_in_with_its_certificate(made: Made, requests_mock: Mocker) -> None:
    requests_mock.get(
        "https://login.microsoftonline.com/example.org/v2.0/.well-known/openid-configuration",
        json={"authorization_endpoint": "https://login.microsoftonline.com/example.org/a", "token_endpoint": TOKEN_URL},
    )
    requests_mock.post(TOKEN_URL, json=WELL)
    encrypted = made.pem + made.key("riegel")
    config = {**APPLICATION, "client_secret": None, "client_certificate": encrypted}
    credentials = token_credentials({**config, "client_certificate_password": "riegel"})
    assert credentials.token() == "token-1"
    form = parse_qs(requests_mock.last_request.text)
    assert form["scope"] == ["https://outlook.office365.com/.default"]
    assert form["grant_type"] == ["client_credentials"]
    claims = form["client_assertion"][0].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"] == "app-1"
    requests_mock.post(TOKEN_URL, json={**WELL, "access_token": "token-2"})
    credentials.renew(credentials.generation)
    assert credentials.token() == "token-2"


def test_an_unknown_tenant_is_told_with_a_certificate_too(made: Made, requests_mock: Mocker) -> None:
    requests_mock.get(requests_mock_any(), status_code=400, json={"error": "invalid_tenant"})
    config = {**APPLICATION, "client_secret": None, "client_certificate": made.both}
    with pytest.raises(FatalError, match="the tenant is unknown: check tenant_id"):
        token_credentials(config).token()


def requests_mock_any() -> Any:  # noqa: ANN401 - a matcher of requests_mock
    from requests_mock import ANY  # noqa: PLC0415

    return ANY


def test_a_user_signs_in_with_a_refresh_token_that_may_be_replaced(
    requests_mock: Mocker, caplog: pytest.LogCaptureFixture
) -> None:
    url = "https://login.microsoftonline.com/common/oauth2/v2.0/token"
    requests_mock.post(
        url,
        [
            {"json": {**WELL, "refresh_token": "geheim-2"}},
            {"json": {**WELL, "access_token": "token-2", "refresh_token": "geheim-3"}},
        ],
    )
    credentials = token_credentials(REFRESH)
    assert credentials.token() == "token-1"
    credentials.renew(credentials.generation)
    assert credentials.token() == "token-2"
    forms = [parse_qs(request.text) for request in requests_mock.request_history]
    assert [form["refresh_token"] for form in forms] == [["geheim-1"], ["geheim-2"]]
    assert forms[0]["scope"] == ["https://outlook.office365.com/.default offline_access"]
    assert "client_secret" not in forms[0]
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "has replaced the refresh token" in warned[0].getMessage()
    assert "geheim" not in caplog.text


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (401, {"error": "invalid_client", "error_description": "AADSTS7000215: no geheim"}, "client_secret is wrong"),
        (401, {"error": "invalid_client", "error_description": "AADSTS7000222: old"}, "client_secret has expired"),
        (400, {"error": "unauthorized_client", "error_description": "AADSTS700016: x"}, "check client_id and tenant"),
        (400, {"error": "invalid_request", "error_description": "AADSTS90002: x"}, "the tenant is unknown"),
        (400, {"error": "invalid_grant", "error_description": "AADSTS70008: x"}, "refresh_token has expired"),
        (400, {"error": "invalid_scope"}, "grant it and consent"),
        (400, {"error": "geheim " * 50}, "HTTP 400"),
        (200, {"token": "geheim"}, "HTTP 200"),
        (200, ["geheim"], "HTTP 200"),
        (302, {}, "HTTP 302"),
        (404, {}, "check tenant_id, client_id and token_url"),
    ],
)
def test_a_refused_sign_in_is_one_line_without_what_was_answered(
    requests_mock: Mocker, status: int, answer: object, words: str
) -> None:
    requests_mock.post(TOKEN_URL, status_code=status, json=answer, headers={"Location": "https://elsewhere.org/"})
    credentials = token_credentials(APPLICATION)
    with pytest.raises(FatalError) as refusal:
        credentials.token()
    message = str(refusal.value)
    assert words in message
    assert message.startswith("sign-in: login.microsoftonline.com gives no token")
    assert "geheim" not in message
    assert "\n" not in message
    with pytest.raises(FatalError):
        credentials.token()
    assert requests_mock.call_count == 1


def test_a_busy_provider_is_asked_again_a_few_times(requests_mock: Mocker) -> None:
    requests_mock.post(
        TOKEN_URL,
        [{"status_code": 503}, {"exc": requests.exceptions.ReadTimeout}, {"status_code": 429}, {"json": WELL}],
    )
    assert token_credentials(APPLICATION).token() == "token-1"
    requests_mock.post(TOKEN_URL, status_code=503)
    with pytest.raises(TransientError, match="is busy"):
        token_credentials(APPLICATION).token()
    assert requests_mock.call_count == 8


def test_a_provider_that_does_not_exist_is_not_asked_again(requests_mock: Mocker) -> None:
    requests_mock.post(TOKEN_URL, exc=requests.exceptions.SSLError)
    requests_mock.post(TOKEN_URL, exc=requests.exceptions.ProxyError("Unable to connect to proxy"))
    with pytest.raises(FatalError, match="sign-in: the proxy cannot be reached"):
        token_credentials(APPLICATION).token()
    assert requests_mock.call_count == 1


class Counted:
    """Fetch tokens that are numbered, slowly enough for threads to meet."""

    def __init__(self, lifetime: float = 3600, failing: Exception | None = None) -> None:
        self.count = 0
        self.lifetime = lifetime
        self.failing = failing

    def __call__(self) -> Token:
        self.count += 1
        time.sleep(0.02)
        if self.failing is not None and self.count > 1:
            raise self.failing
        return Token(f"token-{self.count}", self.lifetime)


def test_a_refused_token_is_renewed_once_for_all_threads() -> None:
    fetched = Counted()
    credentials = TokenCredentials("app", None, fetched)
    credentials.token()
    refused = credentials.generation
    threads = [threading.Thread(target=credentials.renew, args=(refused,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched.count == 2
    assert credentials.token() == "token-2"


def test_a_token_about_to_expire_is_renewed_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = Counted(lifetime=600)
    credentials = TokenCredentials("app", None, fetched)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert credentials.token() == "token-1"
    now += 299
    assert credentials.token() == "token-1"
    now += 2
    assert credentials.token() == "token-2"


def test_a_busy_provider_does_not_spoil_a_token_that_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = TokenCredentials("app", None, Counted(600, TransientError("busy")))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    credentials.token()
    now += 400
    assert credentials.token() == "token-1"
    now += 300
    with pytest.raises(TransientError):
        credentials.token()


def test_credentials_and_tokens_do_not_show_secrets(made: Made) -> None:
    settings = Settings.from_config({**APPLICATION, "client_secret": None, "client_certificate": made.both})
    credentials = TokenCredentials("app", None, Counted())
    credentials.token()
    shown = repr(credentials) + repr(Token("token-1", 1)) + repr(client_certificate(settings)) + str(credentials)
    assert "token-1" not in shown
    assert "PRIVATE KEY" not in shown


def test_where_tokens_come_from_and_what_for() -> None:
    settings = Settings.from_config(APPLICATION)
    assert token_url(settings) == TOKEN_URL
    assert authority(TOKEN_URL) == "https://login.microsoftonline.com/example.org"
    assert authority("https://adfs.example.org/adfs/oauth2/token") == "https://adfs.example.org/adfs"
    for url, wanted in (
        (URL, "https://outlook.office365.com/.default"),
        ("https://outlook.office365.us/EWS/Exchange.asmx", "https://outlook.office365.us/.default"),
        ("https://mail.example.org/EWS/Exchange.asmx", "https://mail.example.org/.default"),
    ):
        assert scope(Settings.from_config({**APPLICATION, "ews_url": url})) == wanted
    searched = Settings.from_config({**APPLICATION, "ews_url": None, "autodiscover": True})
    assert scope(searched) == "https://outlook.office365.com/.default"


def test_a_certificate_signs_in_by_tls(made: Made, tmp_path: Path) -> None:
    (tmp_path / "app.pem").write_text(made.both)
    config = {"ews_url": URL, "auth_type": "certificate", "mailboxes": "anna@example.org"}
    found = way({**config, "client_certificate": str(tmp_path / "app.pem")})
    assert (found.auth_type, found.credentials) == (CBA, None)
    assert found.certificate is not None
    assert found.certificate.certificates == made.pem.strip()
    inline = way({**config, "client_certificate": made.both.replace("\n", "\\n")})
    assert inline.certificate == found.certificate


def test_a_certificate_that_cannot_serve_is_refused_before_any_request(made: Made, tmp_path: Path) -> None:
    other = make("other")
    curve = make("app", curve=True)
    binary = tmp_path / "app.pfx"
    binary.write_bytes(b"0\x82\xff\xfe")
    broken = made.both.replace("MII", "XXX")
    config = {"ews_url": URL, "auth_type": "certificate", "mailboxes": "anna@example.org"}
    oauth = {**APPLICATION, "client_secret": None}
    refused: list[tuple[dict[str, Any], str]] = [
        ({**config, "client_certificate": made.pem}, "holds no private key"),
        ({**config, "client_certificate": made.key()}, "holds no certificate"),
        ({**config, "client_certificate": str(binary)}, "must be a PEM file, not PFX or DER"),
        ({**config, "client_certificate": made.pem + other.key()}, "does not belong to the certificate"),
        ({**config, "client_certificate": broken}, "cannot be read"),
        ({**config, "client_certificate": made.pem + made.key("x")}, "client_certificate_password is missing"),
        (
            {**config, "client_certificate": made.pem + made.key("x"), "client_certificate_password": "geheim"},
            "is client_certificate_password right?",
        ),
        ({**config, "client_certificate": make(ends=-timedelta(hours=1)).both}, "expired on"),
        ({**config, "client_certificate": make(begins=timedelta(hours=2)).both}, "is not valid before"),
        ({**oauth, "client_certificate": curve.both}, "needs an RSA key"),
    ]
    for settings, words in refused:
        with pytest.raises(ExchangeError) as refusal:
            way(settings)
        assert words in str(refusal.value)
        assert "geheim" not in str(refusal.value)
        assert "\n" not in str(refusal.value)
