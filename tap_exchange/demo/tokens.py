"""OAuth access tokens: issued for an application's secret, accepted until they end or are withdrawn."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from tap_exchange.demo.exchange import Account, Exchange

TOKEN_PATH = "/oauth2/v2.0/token"  # noqa: S105 - a path
LIFETIME = 3600


class Tokens:
    """The token endpoint of the world; an application is an account, its secret the password."""

    def __init__(self, exchange: Exchange) -> None:
        """Begin without tokens."""
        self._exchange = exchange
        self._accounts: dict[str, Account] = {}
        self._ends: dict[str, float] = {}
        self.lifetime: float = LIFETIME
        """Seconds that a token lives."""
        self.issued = 0

    def issue(self, form: bytes) -> tuple[int, bytes]:
        """Answer a token request with an HTTP status and JSON, as RFC 6749 has it."""
        fields = {name: values[0] for name, values in parse_qs(form.decode("utf-8", "replace")).items()}
        if fields.get("grant_type") != "client_credentials":
            return 400, json.dumps({"error": "unsupported_grant_type"}).encode()
        account = self._exchange.sign_in(fields.get("client_id", ""), fields.get("client_secret", ""))
        if account is None:
            return 401, json.dumps({"error": "invalid_client"}).encode()
        token = secrets.token_urlsafe(24)
        self.issued += 1
        self._accounts[token] = account
        self._ends[token] = time.monotonic() + self.lifetime
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": int(self.lifetime)}
        return 200, json.dumps(answer).encode()

    def account(self, token: str) -> Account | None:
        """Tell whose token it is; None when it is nobody's, or has ended."""
        return self._accounts.get(token) if time.monotonic() < self._ends.get(token, 0.0) else None

    def withdraw(self) -> None:
        """End all tokens issued so far."""
        self._accounts.clear()
        self._ends.clear()
