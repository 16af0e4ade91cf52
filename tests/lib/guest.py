#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The Debian instance that the demo and tests run in a lab."""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hosts                                            # noqa: E402
import userland                                         # noqa: E402

CLIENTS = os.path.join(os.path.dirname(hosts.HERE), "demo/clients.py")
PYTHON = "/usr/bin/python3"


class Failed(Exception):
    pass


class Guest:
    """An instance with redis, an echo server, cron and sshd, made on the
    first host of a lab. It is asked from the client `c`."""

    def __init__(self, lab, name="demo", say=lambda s: None, verbose=False):
        self.lab = lab
        self.name = name
        self.say = say
        self.verbose = verbose
        self.c = lab["c"]
        self.addr4 = hosts.NET4 + "190"
        self.addr6 = hosts.NET6 + "be"
        self.root = "/srv/vps/" + name

    def conf(self):
        return ("NAME = '%s'\nFSROOT = '%s'\nNETIF_0_ADDRESS = '%s, %s'\n"
                "INIT = '/sbin/init'\n" % (self.name, self.root, self.addr4,
                                           self.addr6))

    def vpsctl(self, host, *words, timeout=120):
        """Gives the output and the seconds that it took."""
        t = time.monotonic()
        r = host.run(["vpsctl"] + list(words), timeout=timeout)
        if self.verbose:
            for line in (r.stdout + r.stderr).splitlines():
                print("        | " + line, flush=True)
        if r.returncode:
            why = r.stderr.strip() or "status %d" % r.returncode
            raise Failed("on host %s, vpsctl %s: %s" % (
                host.name.upper(), " ".join(words), why))
        return r.stdout, time.monotonic() - t

    def prepare(self, host):
        with open(self.lab.key + ".pub") as f:
            host.sh("cat >/root/id.pub", input=f.read())
        host.run([PYTHON, "-c", "import sys; sys.path.insert(0, %r); "
                  "import userland; userland.unpack(%r, %r, %r)" % (
                      os.path.dirname(userland.__file__), self.root,
                      "/root/id.pub", self.name)], check=True)
        # Its program for the client inside.
        host.sh('cp "$1" "$2/usr/local/bin/client"; '
                'chmod 755 "$2/usr/local/bin/client"', CLIENTS, self.root)
        host.sh('mkdir -p /etc/vps; cat >"/etc/vps/vps_$1.conf"', self.name,
                input=self.conf())

    def start(self, host):
        self.say("vpsctl start %s" % self.name)
        _, t = self.vpsctl(host, "start", self.name)
        self.say("started in %d ms; waiting for its services" % (t * 1000))
        self.wait()

    def wait(self, seconds=60):
        end = time.monotonic() + seconds
        probe = ("import socket\nfor a,p in ((%r,6379),(%r,7),(%r,22)):"
                 "\n socket.create_connection((a,p),2).close()"
                 % (self.addr4, self.addr6, self.addr4))
        while True:
            r = self.c.run([PYTHON, "-c", probe])
            if r.returncode == 0:
                return
            if time.monotonic() > end:
                raise Failed("the services of the instance do not answer: " +
                             r.stderr.strip().splitlines()[-1])
            time.sleep(0.1)

    def load(self):
        r = self.c.run([PYTHON, CLIENTS, "load", self.addr4, "6379"])
        if r.returncode:
            raise Failed("loading redis: " + r.stderr.strip())

    def ssh_argv(self, script):
        return ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o",
                "StrictHostKeyChecking=no", "-o",
                "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o",
                "ConnectTimeout=10", "-i", self.lab.key,
                "root@" + self.addr4, script]

    def ssh(self, script):
        r = self.c.run(self.ssh_argv(script), timeout=40)
        if r.returncode:
            raise Failed("ssh into the instance: %s" % r.stderr.strip())
        return r.stdout

    def ask(self, addr, port, *words):
        r = self.c.run([PYTHON, CLIENTS, "ask", addr, str(port)] +
                       list(words), timeout=60)
        if r.returncode:
            raise Failed("asking port %d: %s" % (port, r.stderr.strip()))
        return r.stdout.strip()

    def state(self):
        """What must be the same before and after."""
        digest = self.ask(self.addr4, 6379, "DEBUG", "DIGEST")
        starts = self.ask(self.addr6, 7, "?starts")
        m = re.match(r"starts (\d+) pid (\d+) ", starts)
        if not m:
            raise Failed("the echo server says %r" % starts)
        return {"digest of redis": digest.lstrip("+"),
                "starts of the echo server": m.group(1),
                "pid of the echo server": m.group(2)}

    @staticmethod
    def guests(host):
        """{pid inside: pid on the host} of what runs in instances."""
        out = host.sh("grep -h ^NSpid: /proc/[0-9]*/status 2>/dev/null "
                      "|| true")
        found = {}
        for line in out.splitlines():
            w = line.split()[1:]
            if len(w) > 1:
                found[int(w[-1])] = int(w[0])
        return found

    def listed(self, host):
        """The state that `vpsctl list` gives, None if it isn't there."""
        out, _ = self.vpsctl(host, "list", "--json")
        items = json.loads(out)
        if isinstance(items, dict):
            items = items.get("instances", [])
        for x in items:
            if self.name in (x.get("name"), x.get("id")):
                return x.get("state")
        return None
