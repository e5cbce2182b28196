# SPDX-License-Identifier: Apache-2.0
# A compositor that speaks as much Wayland as a security context takes, and checks every byte of it.
# compositor.py SOCKET MODE: context | plain | refuses | garbage | endless. Says what happens, a JSON object a line.
import array
import json
import os
import select
import socket
import struct
import sys

path, mode = sys.argv[1:]


def say(**what):
    print(json.dumps(what), flush=True)


def string(text):
    data = text.encode() + b"\0"
    return struct.pack("<I", len(data)) + data + b"\0" * (-len(data) % 4)


def event(target, opcode, body=b""):
    return struct.pack("<IHH", target, opcode, 8 + len(body)) + body


def done(target):
    return event(target, 0, struct.pack("<I", 7)) + event(1, 1, struct.pack("<I", target))


def global_event(name, interface, version):
    return event(2, 0, struct.pack("<I", name) + string(interface) + struct.pack("<I", version))


def read_string(body):
    (length,) = struct.unpack_from("<I", body)
    padded = length + -length % 4
    text, rest = body[4 : 4 + length], body[4 + padded :]
    assert text[-1:] == b"\0" and b"\0" not in text[:-1], text
    assert body[4 + length : 4 + padded].count(0) == padded - length
    return text[:-1].decode(), rest


class Client:
    def __init__(self, connection):
        self.connection = connection
        self.data = b""
        self.fds = []

    def message(self):
        while len(self.data) < 8 or len(self.data) < struct.unpack_from("<H", self.data, 6)[0]:
            data, extra, flags, _ = self.connection.recvmsg(65536, socket.CMSG_SPACE(64))
            if not data:
                return None
            assert flags & socket.MSG_CTRUNC == 0
            for level, kind, content in extra:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                numbers = array.array("i")
                numbers.frombytes(content)
                self.fds += numbers.tolist()
            self.data += data
        target, opcode, size = struct.unpack_from("<IHH", self.data)
        assert size >= 8 and size % 4 == 0
        body, self.data = self.data[8:size], self.data[size:]
        return target, opcode, body

    def expect(self, target, opcode):
        found = self.message()
        assert found is not None and found[:2] == (target, opcode), (found, target, opcode)
        return found[2]


def offer(client):
    assert client.expect(1, 1) == struct.pack("<I", 2)
    assert client.expect(1, 0) == struct.pack("<I", 3)
    answer = b"".join(global_event(n, f"test_global_{n}", n) for n in range(1, 40))
    if mode == "garbage":
        answer += struct.pack("<IHH", 2, 0, 4)
    if mode != "plain":
        answer += global_event(40, "wp_security_context_manager_v1", 1)
    while mode == "endless":
        client.connection.sendall(answer)
    answer += global_event(41, "wp_security_context_manager_v2", 1) + done(3)
    # In two pieces, cut inside a message.
    client.connection.sendall(answer[:301])
    client.connection.sendall(answer[301:])


def take_context(client):
    body = client.expect(2, 0)
    assert body[:4] == struct.pack("<I", 40)
    interface, rest = read_string(body[4:])
    assert interface == "wp_security_context_manager_v1" and rest == struct.pack("<II", 1, 4)
    assert client.expect(4, 1) == struct.pack("<I", 5)
    names = {}
    for opcode, name in ((1, "engine"), (2, "app"), (3, "instance")):
        names[name], rest = read_string(client.expect(5, opcode))
        assert rest == b""
    assert client.expect(5, 4) == b""
    assert client.expect(1, 0) == struct.pack("<I", 6)
    assert len(client.fds) == 2
    if mode == "refuses":
        client.connection.sendall(event(1, 0, struct.pack("<II", 5, 1) + string("no")))
        say(refused=True)
        return None
    client.connection.sendall(done(6))
    assert client.message() is None
    say(**names)
    return client.fds


def serve_context(listening, life):
    server = socket.socket(fileno=listening)
    app, _ = server.accept()
    app.sendall(b"inside a context\n")
    app.close()
    ended = select.poll()
    ended.register(life, select.POLLHUP)
    ended.poll()
    say(ended=True)


with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
    server.bind(path)
    server.listen()
    os.chmod(path, 0o777)
    say(ready=True)
    while True:
        connection, _ = server.accept()
        with connection:
            try:
                client = Client(connection)
                offer(client)
                fds = take_context(client) if mode in ("context", "refuses") else None
                if mode == "plain":
                    # Whoever comes next is the app itself.
                    assert client.message() is None
                    app, _ = server.accept()
                    app.sendall(b"the compositor itself\n")
                    app.close()
                if fds:
                    serve_context(*fds)
            except (BrokenPipeError, ConnectionResetError):
                say(gone=True)
