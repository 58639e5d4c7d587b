"""The Singer face: settings, streams and how a run begins and ends; the engine does the rest."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities

from tap_exchange.settings import Settings, SettingsError, config_jsonschema, from_environment
from tap_exchange.streams.catalog import CatalogError, check_catalog
from tap_exchange.streams.outlet import LineTooLongError, LoaderGoneError, Outlet
from tap_exchange.streams.stream import ExchangeStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from tap_exchange.engine import Engine

logger = logging.getLogger("tap-exchange")


WRAPPINGS = frozenset({"value", "singer_state"})
"""Under these a state stands in the line of a STATE, and in Meltano's own file: it would be taken for none."""

NO_CONFIG = 'The configuration is no JSON object: write one that begins with {"ews_url": .'
NOT_A_STATE = "The state is not a Singer state: give the last STATE that the loader put out."


class RunFailedError(Exception):
    """All that could be done is done, and a mailbox or folder failed."""


EMPTY = "empty; while there is no state, leave out --state"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
FOR_THE_USER = (SettingsError, CatalogError, RunFailedError, LineTooLongError, LoaderGoneError)


class TapExchange(Tap):
    """Copies Exchange mailboxes over EWS, and keeps the copy true run after run."""

    name = "tap-exchange"
    config_jsonschema: ClassVar[dict[str, Any]] = config_jsonschema()
    message_writer_class = Outlet
    capabilities: ClassVar[list[Any]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    _engine: Engine | None = None
    _settings: Settings | None = None
    _ran = False
    _summary = ""

    def __init__(
        self,
        *,
        state: dict[str, Any] | None = None,
        catalog: dict[str, Any] | None = None,
        **more: Any,  # noqa: ANN401
    ) -> None:
        """Check what is given before anything is asked: settings, state and catalog."""
        if state is not None and not isinstance(state, dict):
            raise SettingsError(NOT_A_STATE)
        if catalog is not None and not isinstance(catalog, dict):
            raise CatalogError("The catalog is not a Singer catalog: make one with --discover.")
        super().__init__(state=state, catalog=catalog, **more)
        if catalog is not None:
            check_catalog(self.catalog, self.exchange_streams)

    @property
    def exchange_streams(self) -> dict[str, ExchangeStream]:
        """Return the streams by name."""
        return {name: stream for name, stream in self.streams.items() if isinstance(stream, ExchangeStream)}

    @property
    def outlet(self) -> Outlet:
        """Where messages go."""
        if not isinstance(self.message_writer, Outlet):
            raise TypeError("tap-exchange writes by its own outlet")
        return self.message_writer

    @classmethod
    def get_singer_command(cls) -> Any:  # noqa: ANN401 - the SDK's kind of command
        """Return the command line; without `--config` the settings of the environment count, as with `--config ENV`."""
        command: Any = super().get_singer_command()
        for option in command.params:
            if option.name == "config":
                option.default = ("ENV",)
                option.help = "Configuration file, or ENV for the settings of the environment, as without --config."
        return command

    @classmethod
    def cb_config(cls, ctx: Any, param: Any, value: tuple[str, ...]) -> Any:  # noqa: ANN401 - the SDK's
        """Read the configuration files; one that holds something else than an object is told in one line."""
        try:
            return super().cb_config(ctx, param, value)
        except TypeError:
            raise SettingsError(NO_CONFIG) from None

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805
        """Settings of the environment, ours as text: `Settings` reads them, with a clear line for what is wrong."""
        ours = from_environment(os.environ)
        builtin: dict[str, Any] = {"properties": {}}
        cls.append_builtin_config(builtin)
        return {**parse_environment_config(builtin, cls._env_var_prefix), **ours}

    def discover_streams(self) -> Sequence[ExchangeStream]:
        """Return every stream; no server is needed, and of the settings those that add columns."""
        from tap_exchange.streams.discovery import stream_maps  # noqa: PLC0415

        return [ExchangeStream(self, name, described) for name, described in stream_maps(self.config).items()]

    def load_state(self, state: dict[str, Any]) -> None:
        """Take a state; anything but a dictionary with dictionaries of bookmarks is refused."""
        bookmarks: object = state.get("bookmarks", {})
        wrapped = "bookmarks" not in state and not WRAPPINGS.isdisjoint(state)
        if wrapped or not isinstance(bookmarks, dict) or not all(isinstance(mark, dict) for mark in bookmarks.values()):
            raise SettingsError(NOT_A_STATE)
        super().load_state(state)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings our way: one line, and never the value of a secret in it."""
        self.append_builtin_config(self.config_jsonschema)
        if raise_errors:
            self._settings = Settings.from_config(self.config)
        return []

    def run_feed(self, first: ExchangeStream, *, write_messages: bool) -> Iterator[dict[str, Any]]:
        """Run the one conversation that feeds all streams; called by each selected stream, done once."""
        if self._ran or not write_messages:
            return iter(())
        self._ran = True
        from tap_exchange.engine import Engine  # noqa: PLC0415

        selected = {name: stream for name, stream in self.exchange_streams.items() if stream.selected}
        for stream in selected.values():
            stream.write_schema()
        self._engine = Engine(
            self._settings or Settings.from_config(self.config),
            self.state,
            selected,
            self.outlet,
            version=self.plugin_version,
            sample=first.ABORT_AT_RECORD_COUNT is not None,
        )
        summary = self._engine.run()
        if summary.failed:
            raise RunFailedError(summary.text)
        self._summary = summary.text
        if first.ABORT_AT_RECORD_COUNT is not None:  # a test: the SDK ends each stream by itself
            self.conclude()
        return iter(())

    def conclude(self) -> None:
        """Log how the run ended, once, behind what the SDK says of streams."""
        if self._summary:
            logger.info("%s", self._summary)
        self._summary = ""

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End the run at a record's end; if the pipe takes nothing, end without a STATE."""
        code = 128 + signum
        engine = self._engine
        if engine is None:
            self.outlet.leave_at_line_end(lambda: leave(code))
        else:
            engine.stop(signum)
            self.outlet.hurry(lambda: leave(code))


def leave(code: int) -> None:
    """End the process at once: worker threads may sit in a request for as long as `request_timeout`."""
    logging.shutdown()
    os._exit(code)


def workers_end(seconds: float = 1.0) -> bool:
    """Return whether all worker threads end within a while; one that waits for an answer may not."""
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("exchange")]
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
    return not any(worker.is_alive() for worker in workers)


def main() -> None:
    """Run the command line; each failure is one line, and a non-zero exit code."""
    code = 0
    try:
        TapExchange.cli()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:  # noqa: BLE001
        code = _explain(error)
    try:
        sys.stdout.flush()
    except OSError:
        code = code or 1
    if code and not workers_end():
        leave(code)
    sys.exit(code)


def _explain(error: BaseException) -> int:
    """Log the one line that an error is worth, and return the exit code."""
    interrupted = getattr(error, "signum", None)
    if interrupted is not None:
        logger.warning("Stopped by %s; the next run goes on from the last STATE.", signal.Signals(interrupted).name)
        return 128 + int(interrupted)
    if isinstance(error, FOR_THE_USER) or getattr(error, "for_the_user", False):
        logger.error("%s", error)
    elif isinstance(error, UnicodeDecodeError):
        logger.error("A given file (config, catalog or state) is not UTF-8: write it anew in that encoding.")
    elif isinstance(error, ValueError) and type(error).__name__ == "JSONDecodeError":
        wrong = f"not JSON: line {getattr(error, 'lineno', '?')}" if getattr(error, "doc", None) else EMPTY
        logger.error("A given file (config, catalog or state) is %s.", wrong)
    elif isinstance(error, OSError) and error.errno in NO_ROOM and not error.filename:
        logger.error(
            "The output cannot be written (%s): make room. The next run goes on from the last STATE.", error.strerror
        )
    elif isinstance(error, OSError):
        logger.error("%s", f"{error.filename}: {error.strerror}" if error.filename else error)
    else:  # a message may hold mail content, the places in the code do not
        where = "".join(traceback.format_tb(error.__traceback__)[-6:])
        logger.critical("Unexpected %s, please report it:\n%s", type(error).__name__, where)
    return 1
