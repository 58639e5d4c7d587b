"""A sign-in that stops working in the middle of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.faults.requests import On

if TYPE_CHECKING:
    from tap_exchange.demo.requestlog import Request
    from tap_exchange.demo.tokens import Tokens

CHALLENGE = {"WWW-Authenticate": 'Basic realm="mail.example"'}


@dataclass(eq=False)
class SignInEnds(Fault):
    """The account is refused: 401 when its password was changed, 403 when EWS is switched off, 456 when it is locked.

    `On(skip=5)` lets five requests through first. Of a request only its operation and its user are known here.
    """

    status: int = 401
    on: On = field(default_factory=On)

    @property
    def struck(self) -> int:
        """Tell how many requests were refused."""
        return self.on.struck

    def arrived(self, request: Request) -> Answer | None:
        """Refuse the request."""
        if not self.on.strikes(request):
            return None
        return Answer(self.status, headers=CHALLENGE if self.status == 401 else {})  # noqa: PLR2004


@dataclass(eq=False)
class TokensEnd(Fault):
    """The tokens issued so far are withdrawn as a request arrives: it and all with an old token get 401."""

    tokens: Tokens
    on: On = field(default_factory=lambda: On(times=1))

    @property
    def struck(self) -> int:
        """Tell how often the tokens were withdrawn."""
        return self.on.struck

    def arrived(self, request: Request) -> Answer | None:
        """Withdraw the tokens."""
        if not self.on.strikes(request):
            return None
        self.tokens.withdraw()
        return Answer(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
