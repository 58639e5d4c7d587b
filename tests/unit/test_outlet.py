"""Standard output: whole lines, whatever the reader does."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import pytest
from singer_sdk.singerlib.messages import StateMessage

from tap_exchange.streams import outlet as module
from tap_exchange.streams.outlet import LineTooLongError, Outlet


def test_lines_arrive_whole_and_in_order() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    read: list[bytes] = []

    def drain() -> None:
        while piece := os.read(reader, 65536):
            read.append(piece)

    thread = threading.Thread(target=drain)
    thread.start()
    for number in range(2000):
        outlet.write_message(StateMessage(value={"number": number, "text": "x" * (number % 700)}))
    outlet.flush()
    os.close(writer)
    thread.join()
    os.close(reader)
    lines = b"".join(read).splitlines()
    assert [json.loads(line)["value"]["number"] for line in lines] == list(range(2000))
    assert outlet.bytes_written == sum(len(line) + 1 for line in lines)


def test_a_line_that_no_loader_takes_is_refused_before_any_of_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 100)
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    with pytest.raises(LineTooLongError):
        outlet.write_message(StateMessage(value={"text": "x" * 200}))
    outlet.flush()
    os.close(writer)
    assert os.read(reader, 10) == b""
    os.close(reader)


@pytest.mark.skipif(sys.platform != "linux", reason="a pipe can be enlarged on Linux alone")
def test_a_hurried_outlet_finishes_its_line_though_nobody_reads() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    gave_up = threading.Event()
    begun = time.monotonic()
    outlet.hurry(gave_up.set, patience=0.2)
    outlet.write_message(StateMessage(value={"text": "x" * 200_000}))
    outlet.flush()
    assert time.monotonic() - begun < 10
    os.close(writer)
    whole = b""
    while piece := os.read(reader, 65536):
        whole += piece
    os.close(reader)
    assert json.loads(whole)["value"]["text"] == "x" * 200_000
    assert gave_up.wait(5)


@pytest.mark.skipif(sys.platform != "linux", reason="a pipe can be enlarged on Linux alone")
def test_a_hurried_outlet_begins_no_line_that_the_pipe_may_not_take() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    gave_up = threading.Event()
    outlet.hurry(gave_up.set, patience=0)
    time.sleep(0.2)
    outlet.write_state({"text": "x" * 1000})
    outlet.flush()
    assert not gave_up.is_set()
    outlet.write_state({"text": "y" * 1_000_000})
    outlet.flush()
    assert gave_up.is_set()
    os.close(writer)
    assert json.loads(os.read(reader, 65536))["value"]["text"] == "x" * 1000
    os.close(reader)


@pytest.mark.skipif(sys.platform != "linux", reason="a pipe can be enlarged on Linux alone")
def test_an_outlet_that_is_left_in_the_middle_of_a_write_ends_its_line_first() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    left = threading.Event()
    timer = threading.Timer(0.3, outlet.leave_at_line_end, (left.set,))
    timer.start()
    outlet.write_state({"text": "x" * 200_000})
    outlet.flush()
    assert left.is_set()
    os.close(writer)
    whole = b""
    while piece := os.read(reader, 65536):
        whole += piece
    os.close(reader)
    assert json.loads(whole)["value"]["text"] == "x" * 200_000


def test_an_outlet_that_writes_nothing_is_left_at_once() -> None:
    left = threading.Event()
    Outlet().leave_at_line_end(left.set)
    assert left.is_set()
