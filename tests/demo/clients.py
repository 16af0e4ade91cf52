#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Clients that notice everything: a lost, late or wrong reply, a reset.

usage: clients.py redis ADDRESS PORT       numbered requests to redis
       clients.py echo ADDRESS PORT        numbered lines to the echo server
       clients.py ssh ADDRESS KEY          a login: top, later numbered output
       clients.py rst [INTERFACE]          counts TCP resets on the wire
       clients.py load ADDRESS PORT        fills redis with 100 MiB
       clients.py ask ADDRESS PORT WORD... one request to redis, or with
                                           `?starts` to the echo server
       [--rate N] [--out FILE]

redis and echo send at a fixed rate whether or not replies come, over one
connection, check each reply, and never give up: a broken connection is opened
again and counted.

One line of JSON for each quarter of a second, to standard output or FILE:
    {"t": end of it (real time), "n": replies, "max_ms": longest gap between
     replies that ended in it}
and at the end (SIGTERM), after the outstanding replies were waited for:
    {"summary": 1, "sent": .., "replies": .., "lost": .., "wrong": ..,
     "reconnects": .., "max_ms": ..}
`ssh` goes on from top to the numbers at SIGUSR1. `rst` writes a line for each
reset, {"t", "rst": "from -> to"}, and {"summary": 1, "rst": number}.
"""
import argparse
import ctypes
import hashlib
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import sys
import time

BUCKET = 0.25
DRAIN = 15.0
KEYS = 104858           # keys of VALUE bytes: 100 MiB
VALUE = 1000


def value_of(n):
    """The value that key n has in redis."""
    h = hashlib.sha256(b"%d" % n).hexdigest().encode()
    return (h * (VALUE // len(h) + 1))[:VALUE]


class Report:
    """The time line: gaps between replies, in buckets."""

    def __init__(self, out):
        self.out = out
        self.last = None
        self.start = time.time()
        self.n = 0
        self.max = 0.0
        self.worst = 0.0
        self.sum = {"sent": 0, "replies": 0, "lost": 0, "wrong": 0,
                    "reconnects": 0}

    def write(self, obj):
        self.out.write(json.dumps(obj) + "\n")
        self.out.flush()

    def note(self, text):
        self.write({"t": time.time(), "note": text})

    def reply(self, n=1):
        # Real time: the clock of a moved process doesn't count the move.
        now = time.time()
        if self.last is not None:
            gap = now - self.last
            self.max = max(self.max, gap)
            self.worst = max(self.worst, gap)
        self.last = now
        self.n += n
        self.sum["replies"] += n

    def tick(self):
        now = time.time()
        if now - self.start < BUCKET:
            return
        self.write({"t": now, "n": self.n,
                    "max_ms": round(self.max * 1000, 2),
                    "silent_ms": round((now - (self.last or now)) * 1000, 2)})
        self.start, self.n, self.max = now, 0, 0.0

    def end(self, **more):
        self.write(dict(self.sum, summary=1,
                        max_ms=round(self.worst * 1000, 2), **more))


class Echo:
    """Numbered lines, each of which has to come back as it is."""

    pad = "x" * 40

    def request(self, n):
        return b"line %d %s\n" % (n, self.pad.encode())

    def expected(self, n):
        return self.request(n)

    @staticmethod
    def parse(buf):
        """Returns (reply, rest) or None."""
        i = buf.find(b"\n")
        return None if i < 0 else (bytes(buf[:i + 1]), i + 1)


class Redis:
    """Numbered requests: an ECHO of the number, or the value of a key."""

    @staticmethod
    def bulk(*words):
        out = b"*%d\r\n" % len(words)
        for w in words:
            out += b"$%d\r\n%s\r\n" % (len(w), w)
        return out

    def request(self, n):
        if n % 2:
            return self.bulk(b"GET", b"data:%d" % (n * 7919 % KEYS))
        return self.bulk(b"ECHO", b"number %d" % n)

    def expected(self, n):
        if n % 2:
            return value_of(n * 7919 % KEYS)
        return b"number %d" % n

    @staticmethod
    def parse(buf):
        i = buf.find(b"\r\n")
        if i < 0:
            return None
        if buf[:1] != b"$":
            return bytes(buf[:i]), i + 2
        size = int(buf[1:i])
        if size < 0:
            return b"(nil)", i + 2
        if len(buf) < i + 2 + size + 2:
            return None
        return bytes(buf[i + 2:i + 2 + size]), i + 4 + size


class Stop:
    """SIGTERM, as something that select() can wait for."""

    def __init__(self):
        self.rd, wr = os.pipe()
        os.set_blocking(wr, False)
        os.set_blocking(self.rd, False)
        signal.set_wakeup_fd(wr)
        self.stop = self.next = False
        signal.signal(signal.SIGTERM, self.on_stop)
        signal.signal(signal.SIGUSR1, self.on_next)

    def on_stop(self, *_):
        self.stop = True

    def on_next(self, *_):
        self.next = True

    def fileno(self):
        return self.rd

    def clear(self):
        try:
            os.read(self.rd, 64)
        except BlockingIOError:
            pass


def connect(addr, port):
    s = socket.create_connection((addr, port), 20)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setblocking(False)
    return s


def request_client(proto, addr, port, rate, rep):
    stop = Stop()
    s = connect(addr, port)
    sent = 0                # number of the next request
    want = []               # numbers of the requests without a reply
    out, buf = bytearray(), bytearray()
    due = time.monotonic()
    drain = None
    while True:
        now = time.monotonic()
        if stop.stop and drain is None:
            drain = now + DRAIN
        if drain and (not want or now > drain):
            break
        while drain is None and now >= due:
            out += proto.request(sent)
            want.append(sent)
            sent += 1
            due += 1.0 / rate
            if now - due > 1:       # we ourselves were stopped
                due = now
        rd, wr, _ = select.select([s, stop], [s] if out else [], [],
                                  max(0, min(due - now, 0.05))
                                  if drain is None else 0.05)
        if stop in rd:
            stop.clear()
        try:
            if wr:
                del out[:s.send(out)]
            if s in rd:
                data = s.recv(1 << 18)
                if not data:
                    raise ConnectionError("closed by the server")
                buf += data
        except BlockingIOError:
            pass
        except OSError as e:
            rep.note("connection broken: %s" % e)
            rep.sum["reconnects"] += 1
            rep.sum["lost"] += len(want)
            want, out, buf = [], bytearray(), bytearray()
            s.close()
            while not stop.stop:
                try:
                    s = connect(addr, port)
                    break
                except OSError:
                    time.sleep(0.1)
                    rep.tick()
            continue
        pos = 0
        view = buf
        while want:
            got = proto.parse(view)
            if got is None:
                break
            reply, used = got
            view = view[used:]
            pos += used
            n = want.pop(0)
            if reply != proto.expected(n):
                rep.sum["wrong"] += 1
                rep.note("wrong reply to %d: %r" % (n, reply[:80]))
            rep.reply()
        del buf[:pos]
        if buf and not want:
            rep.sum["wrong"] += 1
            rep.note("bytes that nobody asked for: %r" % bytes(buf[:80]))
            buf.clear()
        rep.tick()
    rep.sum["sent"] = sent
    rep.sum["lost"] += len(want)
    rep.end()
    s.close()


def ssh_client(addr, key, rep):
    """A login on a terminal. The output of `numbers` must be complete."""
    stop = Stop()
    argv = ["ssh", "-F", "/dev/null", "-tt", "-o",
            "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR", "-o", "TCPKeepAlive=no", "-i", key,
            "root@" + addr]
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "vt100"
        os.execvp("ssh", argv)
    buf = b""
    stage = "login"
    count = 0
    deadline = None
    status = None
    number = re.compile(rb"number (\d+)\r*\n")
    while True:
        now = time.monotonic()
        if stop.next and stage == "top":
            os.write(fd, b"q")
            stage, deadline = "leaving top", now + 20
            stop.next = False
        if stop.stop and stage in ("top", "numbers"):
            os.write(fd, b"\n" if stage == "numbers" else b"q")
            stage, deadline = "ending", now + 20
        if deadline and now > deadline:
            rep.note("nothing came in stage %s" % stage)
            rep.sum["lost"] += 1
            break
        rd = select.select([fd, stop], [], [], 0.05)[0]
        if stop in rd:
            stop.clear()
        if fd in rd:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            if not data:
                _, st = os.waitpid(pid, 0)
                status = os.waitstatus_to_exitcode(st)
                break
            buf += data
            if stage in ("top", "numbers"):
                rep.reply(0)
        if stage == "login" and b"# " in buf:
            os.write(fd, b"PS1='shell> '; stty rows 24 cols 80; "
                     b"top -d 0.1\n")
            buf, stage = b"", "start"
        elif stage == "start" and b"load average" in buf:
            stage = "top"
            rep.note("top runs")
            buf = b""
        elif stage == "top" and len(buf) > 4096:
            rep.sum["replies"] += 1
            buf = b""
        elif stage == "leaving top" and b"shell> " in buf:
            buf, stage, deadline = b"", "numbers", None
            rep.last = None
            os.write(fd, b"numbers\n")
            rep.note("numbers run")
        elif stage in ("numbers", "ending"):
            last = 0
            for m in number.finditer(buf):
                last = m.end()
                if int(m.group(1)) != count:
                    rep.sum["wrong"] += 1
                    rep.note("number %d instead of %d"
                             % (int(m.group(1)), count))
                    count = int(m.group(1))
                count += 1
                rep.sum["replies"] += 1
            m = re.search(rb"numbers end (\d+)\r*\n.*shell> ", buf, re.S)
            if m:
                if int(m.group(1)) != count:
                    rep.sum["lost"] += abs(int(m.group(1)) - count)
                    rep.note("%s numbers written, %d arrived"
                             % (m.group(1).decode(), count))
                os.write(fd, b"exit 7\n")
                stage, deadline = "exit", now + 20
                buf = b""
            elif stage == "ending" and count == 0 and b"shell> " in buf:
                os.write(fd, b"exit 7\n")
                stage, deadline = "exit", now + 20
            elif last:
                buf = buf[last:]
        rep.tick()
    if status is None:
        os.kill(pid, signal.SIGKILL)
    # The login shell's own status: it came through to the end.
    if status != 7 or stage != "exit":
        rep.sum["reconnects"] += 1
        rep.note("the login ended in stage %s, status %s: %r"
                 % (stage, status, buf[-300:]))
    rep.sum["sent"] = rep.sum["replies"] + rep.sum["lost"]
    rep.end()


# ------------------------------------------------------- resets on the wire

def bpf(*insns):
    return b"".join(struct.pack("HBBI", *i) for i in insns)


LD_H, LD_B, LDX_LEN, LDX_B = 0x28, 0x30, 0xb1, 0x50
JEQ, JSET, RET = 0x15, 0x45, 0x06
SO_ATTACH_FILTER = 26

# Jumps count from the next instruction; the last but one says yes.
RST_FILTER = (
    (LD_H, 0, 0, 12),               # 0 ethertype
    (JEQ, 0, 7, 0x0800),            # 1 else to 9
    (LD_B, 0, 0, 23),               # 2 IPv4: protocol
    (JEQ, 0, 11, 6),                # 3 else no
    (LD_H, 0, 0, 20),               # 4 fragment offset
    (JSET, 9, 0, 0x1fff),           # 5 a later fragment: no
    (LDX_LEN, 0, 0, 14),            # 6 length of the header
    (LDX_B, 0, 0, 14 + 13),         # 7 TCP flags
    (JSET, 5, 6, 4),                # 8 yes or no
    (JEQ, 0, 5, 0x86dd),            # 9 else no
    (LD_B, 0, 0, 20),               # 10 IPv6: next header
    (JEQ, 0, 3, 6),                 # 11 else no
    (LD_B, 0, 0, 14 + 40 + 13),     # 12 TCP flags
    (JSET, 0, 1, 4),                # 13 yes or no
    (RET, 0, 0, 0xffff),            # 14 yes
    (RET, 0, 0, 0),                 # 15 no
)


def rst_socket(ifname):
    """A packet socket that gets nothing but TCP resets."""
    prog = bpf(*RST_FILTER)
    arr = ctypes.create_string_buffer(prog, len(prog))
    fprog = struct.pack("HL", len(RST_FILTER), ctypes.addressof(arr))
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
    s.bind((ifname, 3))             # ETH_P_ALL, only once filtered
    return s


def rst_text(p):
    if p[12:14] == b"\x08\x00":
        ihl = (p[14] & 15) * 4
        src, dst = (socket.inet_ntop(socket.AF_INET, p[i:i + 4])
                    for i in (26, 30))
        t = 14 + ihl
    else:
        src, dst = (socket.inet_ntop(socket.AF_INET6, p[i:i + 16])
                    for i in (22, 38))
        t = 54
    sp, dp = struct.unpack("!HH", p[t:t + 4])
    return "%s %d -> %s %d" % (src, sp, dst, dp)


def rst_counter(ifname, rep):
    stop = Stop()
    s = rst_socket(ifname)
    n = 0
    rep.write({"t": time.time(), "note": "counting"})
    while True:
        rd = select.select([s, stop], [], [])[0]
        if s in rd:
            n += 1
            rep.write({"t": time.time(), "rst": rst_text(s.recv(2048))})
        if stop in rd:
            stop.clear()
            if stop.stop:
                break
    rep.write({"summary": 1, "rst": n})


# ------------------------------------------------------------ single requests

def ask(addr, port, words):
    s = socket.create_connection((addr, port), 20)
    if words[0].startswith("?"):
        s.sendall(words[0].encode() + b"\n")
    else:
        s.sendall(Redis.bulk(*(w.encode() for w in words)))
    f = s.makefile("rb")
    line = f.readline().rstrip(b"\r\n")
    if line[:1] == b"$" and line != b"$-1":
        line = f.read(int(line[1:]))
    print(line.decode())


def load(addr, port):
    """KEYS keys, in batches, each checked."""
    s = socket.create_connection((addr, port), 60)
    f = s.makefile("rb")
    for first in range(0, KEYS, 2000):
        last = min(first + 2000, KEYS)
        s.sendall(b"".join(Redis.bulk(b"SET", b"data:%d" % n, value_of(n))
                           for n in range(first, last)))
        for _ in range(first, last):
            line = f.readline()
            if line != b"+OK\r\n":
                sys.exit("redis: %r" % line)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("kind", choices=("redis", "echo", "ssh", "rst",
                                     "load", "ask"))
    ap.add_argument("args", nargs="*")
    ap.add_argument("--rate", type=float, default=250)
    ap.add_argument("--out")
    a = ap.parse_args()
    if a.kind == "load":
        load(a.args[0], int(a.args[1]))
        return 0
    if a.kind == "ask":
        ask(a.args[0], int(a.args[1]), a.args[2:])
        return 0
    rep = Report(open(a.out, "w") if a.out else sys.stdout)
    if a.kind == "rst":
        rst_counter(a.args[0] if a.args else "eth0", rep)
    elif a.kind == "ssh":
        ssh_client(a.args[0], a.args[1], rep)
    else:
        request_client(Redis() if a.kind == "redis" else Echo(), a.args[0],
                       int(a.args[1]), a.rate, rep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
