"""Send an answer: whole, cut, slowly, endlessly, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from tap_exchange.demo.faultplan import Answer

COMMON_HEADERS = {"Content-Type": "text/xml; charset=utf-8", "Server": "Microsoft-IIS/10.0"}


async def send(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send an answer the way it wants to be sent."""
    if answer.delay:
        await asyncio.sleep(answer.delay)
    headers = {**COMMON_HEADERS, **answer.headers}
    if answer.reset and answer.cut is None:
        reset(request)
        return web.Response(status=answer.status)
    if answer.stream is not None:
        return await _stream(request, answer, headers)
    if answer.cut is None and not answer.pace and answer.declared_length is None:
        return web.Response(status=answer.status, body=answer.body, headers=headers)
    return await _in_pieces(request, answer, headers)


def reset(request: web.BaseRequest) -> None:
    """Drop the connection with a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    held = transport.get_extra_info("socket")
    if held is not None:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _in_pieces(request: web.BaseRequest, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    body = answer.body if answer.cut is None else answer.body[: answer.cut]
    length = len(answer.body) if answer.declared_length is None else answer.declared_length
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = length
    await response.prepare(request)
    step = answer.piece if answer.pace else max(1, len(body))
    with contextlib.suppress(ConnectionResetError):  # the client has had enough
        for start in range(0, len(body), step):
            await response.write(body[start : start + step])
            if answer.pace:
                await asyncio.sleep(answer.pace)
    if answer.reset:
        reset(request)
    elif len(body) < length:
        response.force_close()
        if request.transport is not None:
            request.transport.close()
    else:
        await response.write_eof()
    return response


async def _stream(request: web.BaseRequest, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):  # the client has had enough
        if answer.stream is not None:
            async for piece in answer.stream:
                await response.write(piece)
        await response.write_eof()
    return response
