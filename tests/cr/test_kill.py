#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""kill -9 of a command at any moment doesn't hurt the instance.

Each command is killed after delays that are spread over its duration; what it
leaves is put right by the next command, or by the keeper alone. Afterwards the
instance answers, its processes have nothing extra in them, and the host has
nothing left that wasn't there before.

usage: test_kill.py [-n KILLS] [COMMAND...]
"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
import hosts                                            # noqa: E402

ID = "kill"
ROOT = "/srv/vps/kill"
ADDR = hosts.NET4 + "99"
RUN = "/run/vps/" + ID
IMAGES = "/srv/vps/images"
IMAGE = IMAGES + "/kill.vps"
STUB = 4096 + 16384 + 32768 + 65536     # SYS_REMOTE_SIZE of src/sys/remote.h
COMMANDS = ("suspend", "resume", "snapshot", "live", "stop", "restore",
            "start", "full")


class Bad(Exception):
    pass


def vpsctl(*words, fail=False):
    """fail: True: must; None: may. Gives the process."""
    try:
        r = subprocess.run(["vpsctl"] + list(words), text=True, timeout=20,
                           stdin=subprocess.DEVNULL, capture_output=True)
    except subprocess.TimeoutExpired:
        raise Bad("vpsctl %s hangs" % " ".join(words)) from None
    if fail is not None and (r.returncode != 0) != fail:
        raise Bad("vpsctl %s: status %d: %s" % (
            " ".join(words), r.returncode, r.stderr.strip()))
    return r


def state():
    """As list says, or None: there is no such instance."""
    for i in json.loads(vpsctl("list", "--json").stdout):
        if i["id"] == ID:
            return i["state"]
    return None


def cgroups():
    out = []
    for point, _, _ in hosts.cgroup_mounts():
        d = os.path.join(point, "vps", ID)
        if os.path.isdir(d):
            out.append(d)
    return out


def members():
    out = []
    for d in cgroups():
        for sub, _, files in os.walk(os.path.join(d, "payload")):
            if "cgroup.procs" in files:
                with open(os.path.join(sub, "cgroup.procs")) as f:
                    out += f.read().split()
    return sorted(set(out))


def processes():
    out = {}
    for p in os.listdir("/proc"):
        if not p.isdigit() or int(p) == os.getpid():
            continue
        try:
            with open("/proc/%s/stat" % p) as f:
                s = f.read()
            with open("/proc/%s/comm" % p) as f:
                name = f.read().strip()
        except OSError:
            continue
        if s[s.rindex(")") + 2] != "Z":
            out[int(p)] = name
    return out


def about(pid):
    out = [str(pid)]
    for f in ("cmdline", "syscall", "wchan", "stack"):
        try:
            with open("/proc/%d/%s" % (pid, f)) as g:
                out.append(g.read().replace("\0", " ").strip())
        except OSError:
            out.append("-")
    return " ".join(out)


def host_things():
    """What a host that runs no instance has."""
    with open("/proc/self/mountinfo") as f:
        mounts = sorted(x.split()[4] for x in f)
    links = sorted(os.listdir("/sys/class/net"))
    return {"cgroups": cgroups(), "mounts": mounts, "interfaces": links,
            "run": os.path.exists(RUN),
            "namespaces": namespaces()}


def shed():
    return [x for x in os.listdir("/sys/class/net") if x.startswith("vps~")]


def namespaces():
    out = set()
    for p in processes():
        for ns in ("net", "mnt", "pid"):
            try:
                out.add(os.readlink("/proc/%d/ns/%s" % (p, ns)))
            except OSError:
                pass
    return sorted(out)


class Test:
    def __init__(self, kills):
        self.kills = kills
        self.random = random.Random(1)
        self.conn = None
        self.base = self.base_procs = None
        self.failed = 0
        self.shed = set()

    # ---- what must be so

    def echo(self):
        if self.conn is None:
            self.conn = socket.create_connection((ADDR, 7007), 10)
            self.conn.settimeout(10)
        try:
            self.conn.sendall(b"x")
            got = self.conn.recv(200).decode()
        except OSError as e:
            raise Bad("the connection: %s" % e) from None
        if not got.startswith("ok "):
            raise Bad("the payload says: %r" % got)

    def nothing_extra(self):
        pids = members()
        if not pids:
            raise Bad("no process is there")
        for p in pids:
            with open("/proc/%s/maps" % p) as f:
                for line in f:
                    w = line.split()
                    a, b = (int(x, 16) for x in w[0].split("-"))
                    if w[1] == "rwxp" and b - a == STUB:
                        raise Bad("process %s has a stub" % p)
            with open("/proc/%s/status" % p) as f:
                s = f.read()
            if not re.search(r"TracerPid:\s+0\n", s):
                raise Bad("process %s is traced" % p)
        left = os.listdir(RUN + "/undo")
        if left:
            raise Bad("undo has %s" % left)
        have = os.listdir(IMAGES)
        if [x for x in have if x != "kill.vps"]:
            raise Bad("files are left: %s" % have)

    def well(self):
        st = state()
        if st != "running":
            raise Bad("state is %s" % st)
        self.echo()
        self.nothing_extra()

    def clean(self, killed=False):
        """killed: a stop was killed after its processes. Their closed
        connections, and with them what was put out of the way of the
        network, are the kernel's for a minute or two."""
        end = time.monotonic() + 3
        if killed:
            self.shed |= set(shed())
        while True:
            now = host_things()
            now["interfaces"] = [x for x in now["interfaces"]
                                 if x not in self.shed]
            diff = ["%s: %s" % (k, [x for x in now[k] if x not in
                                    self.base[k]] if isinstance(now[k], list)
                                else now[k])
                    for k in now if now[k] != self.base[k]]
            more = {p: n for p, n in processes().items()
                    if p not in self.base_procs}
            if more:
                diff.append("processes: %s" % [about(p) for p in more])
            if not diff:
                return
            if time.monotonic() > end:
                raise Bad("left on the host: " + "; ".join(diff))
            time.sleep(0.02)

    # ---- how it gets somewhere

    def fresh(self):
        """Running, however it is."""
        if self.conn is not None:
            self.conn.close()
            self.conn = None
        if state() is not None:
            vpsctl("stop", ID, fail=None)
        if state() is not None:
            vpsctl("abort", ID, fail=None)
            vpsctl("stop", ID, fail=None)
        vpsctl("start", ID)
        self.ready()

    def ready(self):
        end = time.monotonic() + 10
        while True:
            try:
                self.echo()
                return
            except OSError:
                self.conn = None
                if time.monotonic() > end:
                    raise Bad("the payload doesn't come up") from None
                time.sleep(0.02)

    def be(self, what):
        """running, suspended, saved (to IMAGE, and stopped), or stopped."""
        st = state()
        if what == "stopped":
            if st is not None:
                vpsctl("stop", ID)
            if self.conn is not None:
                self.conn.close()
                self.conn = None
            return
        if st is None:
            self.fresh()
            st = "running"
        if what == "running" and st == "suspended":
            vpsctl("resume", ID)
        elif what != "running" and st == "running":
            vpsctl("suspend", ID)
        if what in ("saved", "snapped"):
            vpsctl("snapshot", ID, IMAGE)
        if what == "saved":
            vpsctl("stop", ID)
            self.clean()

    # ---- kills

    def killed(self, words, delay):
        """True if it was killed, False: it had ended."""
        p = subprocess.Popen(["vpsctl"] + words, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        end = time.monotonic() + delay
        while time.monotonic() < end:
            time.sleep(max(0, min(0.005, end - time.monotonic())))
        p.send_signal(signal.SIGKILL)
        return p.wait() == -signal.SIGKILL

    def keeper_does(self):
        """The keeper alone puts it right."""
        end = time.monotonic() + 3
        while os.listdir(RUN + "/undo"):
            if time.monotonic() > end:
                raise Bad("the keeper leaves undo/%s" % os.listdir(
                    RUN + "/undo"))
            time.sleep(0.005)

    def after(self, name, killed=False):
        if name in ("suspend", "resume", "snapshot", "live"):
            if self.random.random() < 0.5:
                self.keeper_does()
            st = state()
            self.keeper_does()      # it may be at work already
            ok = {"snapshot": ("suspended",), "live": ("running",)}.get(
                name, ("running", "suspended"))
            if st not in ok:
                raise Bad("it is %s then" % st)
            self.nothing_extra()
            if st == "suspended":
                vpsctl("resume", ID)
            self.well()
            return
        st = state()
        if name in ("stop", "restore"):
            if st is None:
                self.clean(killed)
                vpsctl("restore", ID, IMAGE)
            elif st != "suspended":
                raise Bad("it is %s then" % st)
            vpsctl("resume", ID)
            self.well()
        else:
            if st is None:
                self.clean(killed)
                vpsctl("start", ID)
            elif st != "running":
                raise Bad("it is %s then" % st)
            self.ready()
            self.well()

    def command(self, name):
        words, before = {
            "suspend": (["suspend", ID], "running"),
            "resume": (["resume", ID], "suspended"),
            "snapshot": (["snapshot", ID, IMAGE], "suspended"),
            "live": (["snapshot", "--live", ID, IMAGE], "running"),
            "stop": (["stop", ID], "snapped"),
            "restore": (["restore", ID, IMAGE], "saved"),
            "start": (["start", ID], "stopped"),
        }[name]
        self.be(before)
        t = time.monotonic()
        vpsctl(*words)
        took = time.monotonic() - t
        self.after(name)
        hit = bad = 0
        for i in range(self.kills):
            delay = took * 1.1 * (i + self.random.random()) / self.kills
            try:
                self.be(before)
                hit += self.killed(words, delay)
                self.after(name, True)
            except Bad as e:
                bad += 1
                print("FAILED  %s killed after %.1f ms of %.1f: %s" % (
                    name, delay * 1000, took * 1000, e), flush=True)
                self.fresh()
        self.failed += bad
        print("%s %-10s %.0f ms, %d of %d kills hit it" % (
            "ok     " if not bad else "FAILED ", name, took * 1000, hit,
            self.kills), flush=True)

    # ---- a disk that is full

    def full(self):
        d = "/tmp/full"
        os.mkdir(d)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs",
                        d], check=True)
        try:
            for live in (False, True):
                self.be("running" if live else "suspended")
                r = vpsctl("snapshot", *(["--live"] if live else []), ID,
                           d + "/x", fail=True)
                if "No space left" not in r.stderr:
                    raise Bad("the message is " + r.stderr)
                if os.listdir(d):
                    raise Bad("left: %s" % os.listdir(d))
                self.nothing_extra()
                if not live:
                    if state() != "suspended":
                        raise Bad("it is %s then" % state())
                    vpsctl("resume", ID)
                self.well()
            print("ok      a full disk", flush=True)
        except Bad as e:
            self.failed += 1
            print("FAILED  a full disk: %s" % e, flush=True)
        finally:
            subprocess.run(["umount", d], check=True)

    def run(self, names):
        self.base = host_things()
        self.base_procs = processes()
        for n in names:
            t = time.monotonic()
            try:
                if n == "full":
                    self.full()
                else:
                    self.command(n)
            except Bad as e:
                self.failed += 1
                print("FAILED  %s: %s" % (n, e), flush=True)
                self.fresh()
            print("        %.1f s" % (time.monotonic() - t), flush=True)
        self.be("stopped")
        try:
            self.clean()
        except Bad as e:
            self.failed += 1
            print("FAILED  at the end: %s" % e, flush=True)
        return 1 if self.failed else 0


def prepare():
    for d in ("proc", "sys", "dev", "run", "tmp"):
        os.makedirs(os.path.join(ROOT, d))
    os.makedirs(IMAGES)
    shutil.copy(os.path.join(hosts.BUILD, "tests/cr/killpl"), ROOT)
    with open("/etc/vps/vps_kill.conf", "w") as f:
        f.write("NAME = 'kill'\nFSROOT = '%s'\nINIT = '/killpl'\n"
                "NETIF_0_ADDRESS = '%s'\n" % (ROOT, ADDR))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("-n", type=int, default=15)
    ap.add_argument("--inside", action="store_true")
    ap.add_argument("commands", nargs="*", default=list(COMMANDS))
    a = ap.parse_args()
    if a.inside:
        prepare()
        return Test(a.n).run(a.commands)
    if os.geteuid():
        print("needs root", file=sys.stderr)
        return 77
    with hosts.Lab(hosts=("a",)) as lab:
        p = lab["a"].popen([sys.executable, os.path.abspath(__file__),
                            "--inside", "-n", str(a.n)] + a.commands)
        return p.wait()


if __name__ == "__main__":
    sys.exit(main())
