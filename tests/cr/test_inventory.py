#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A booted Debian with clients holds exactly the kinds of resources that
inventory.expected lists: the engine is built for that list."""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
import guest                                            # noqa: E402
import hosts                                            # noqa: E402
import userland                                         # noqa: E402

# Holds, at once: a client of redis, one of the echo server, and one that has
# told sshd its version and nothing more (its child waits in its sandbox).
HOLD = """
import socket, sys, time
r = socket.create_connection((sys.argv[1], 6379))
e = socket.create_connection((sys.argv[2], 7))
u = socket.create_connection((sys.argv[1], 22))
u.sendall(b"SSH-2.0-waiting\\r\\n")
e.sendall(b"here\\n")
assert e.recv(100) == b"here\\n"
print("holding", flush=True)
time.sleep(1000)
"""


def main():
    if os.geteuid():
        print("needs root", file=sys.stderr)
        return 77
    userland.build(print)
    with hosts.Lab(hosts=("a", "c")) as lab:
        g = guest.Guest(lab)
        a, c = lab["a"], lab["c"]
        g.prepare(a)
        g.start(a)
        hold = c.popen([guest.PYTHON, "-c", HOLD, g.addr4, g.addr6],
                       stdout=subprocess.PIPE)
        assert hold.stdout.readline() == b"holding\n"
        g.ssh("setsid client redis 127.0.0.1 6379 --out /dev/null "
              "</dev/null >/dev/null 2>&1 &")
        top = c.popen(g.ssh_argv("TERM=vt100 top -d 0.3")[:1] + ["-tt"] +
                      g.ssh_argv("TERM=vt100 top -d 0.3")[1:],
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        top.stdout.read(2000)
        time.sleep(0.5)
        init = g.guests(a)[1]
        r = a.run([os.path.join(HERE, "inventory"), "--pidns", str(init),
                   "--expect", os.path.join(HERE, "inventory.expected")] +
                  sys.argv[1:])
        print(r.stdout + r.stderr, end="")
        return r.returncode


if __name__ == "__main__":
    sys.exit(main())
