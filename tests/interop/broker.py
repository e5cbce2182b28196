# SPDX-License-Identifier: Apache-2.0
# broker.py SOCKET: becomes dbus-broker-launch(1), listening at a socket, with what it wants of systemd: a journal that
# takes messages, and the socket as a service manager gives it. For a mount namespace of its own.
import os
import socket
import subprocess
import sys

subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
listener.listen(128)
print("listening", flush=True)
os.dup2(journal.fileno(), 10, inheritable=True)
os.dup2(listener.fileno(), 3, inheritable=True)
address = "unix:path=" + sys.argv[1]
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), DBUS_SESSION_BUS_ADDRESS=address)
os.execvp("dbus-broker-launch", ["dbus-broker-launch", "--scope", "user"] + sys.argv[2:])
