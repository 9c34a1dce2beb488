# SPDX-License-Identifier: LGPL-2.1-or-later
"""How answers go over a socket of the lab's server: fast, slowly, or not to their end."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import struct
import termios
import threading

from tests.lab.access import Entry
from tests.lab.content import BLOCK, Blocks, first, pieces
from tests.lab.faults import Cut, Struck, Trickle

_LARGE_BLOCK = 1024 * 1024
_SENDFILE_BLOCK = 16 * 1024 * 1024
_DRAIN_SECONDS = 5.0


class Sender:
    """Sends over a connected socket, until `stopping`. What is sent of bodies is counted before the client has it."""

    def __init__(self, connected: socket.socket, stopping: threading.Event) -> None:
        self._socket = connected
        self._stopping = stopping

    def part(self, entry: Entry, head: bytes, descriptor: int, start: int, length: int) -> int:
        """A part of a file as fast as it goes; how much of it there was."""
        if length <= BLOCK:
            content = os.pread(descriptor, length, start)
            entry.sent = len(content)
            self._socket.sendall(head + content)
            return len(content)
        tls = isinstance(self._socket, ssl.SSLSocket)
        self._socket.sendall(head, 0 if tls else socket.MSG_MORE)
        buffer = memoryview(bytearray(_LARGE_BLOCK if tls else 0))
        done = 0
        while done < length:
            size = min(len(buffer) if tls else _SENDFILE_BLOCK, length - done)
            entry.sent = done + size
            if tls:
                size = os.preadv(descriptor, [buffer[:size]], start + done)
                self._socket.sendall(buffer[:size])
            else:
                size = os.sendfile(self._socket.fileno(), descriptor, start + done, size)
            done += size
            entry.sent = done
            if size == 0:
                break
        return done

    def blocks(self, entry: Entry, blocks: Blocks, struck: Struck, *, chunked: bool = False) -> int:
        """A stream, cut or slowly where that is due; how much of it went."""
        cut, trickle = struck.get(Cut), struck.get(Trickle)
        if trickle:
            blocks = pieces(blocks, max(1, trickle.bytes_per_second // 10))
        if cut:
            blocks = first(blocks, cut.after)
        for block in blocks:
            entry.sent += len(block)
            self._socket.sendall(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            if trickle and self._stopping.wait(len(block) / trickle.bytes_per_second):
                break
        return entry.sent

    def reset(self) -> None:
        """Close by a RST, after what was sent has arrived: the kernel would throw it away."""
        waited = 0.0
        while waited < _DRAIN_SECONDS and self._unacknowledged() and not self._stopping.wait(0.002):
            waited += 0.002
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _unacknowledged(self) -> int:
        """Bytes that the other side has not got yet (SIOCOUTQ of tcp(7), which is TIOCOUTQ by number)."""
        (count,) = struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)))
        return int(count)
