#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Crosses the payloads with what can happen to them.

usage: run.py [-v] [--mode MODE,...] [--userns yes,no] [--faults] [--kills]
              [--list] [PAYLOAD...]

Payloads are the programs of tests/cr/pl (see payload.h). They run in an
instance on host A of a lab; many share one. When something goes wrong with
such a group, each of its payloads is tried again alone, so that the one to
blame is named.

Modes:
    none        nothing happens: the payload itself is right
    suspend     suspend, resume
    live        snapshot --live: the instance goes on by itself
    file        suspend, snapshot to a file, stop, restore, resume
    pipe        the same through pipes
    again       suspend, resume, file: what was interrupted once is again
    twice       file, two times
    migrate     to host B
    back        to host B and back to A

--faults instead makes the command fail at each of its fault points in turn
(VPS_FAULT, and once more by being killed there); the payloads must go on.
--kills kills suspend, resume, snapshot and restore by SIGKILL, a little later
each time: the next command must work, and the payloads must go on.

Says `N passed, N failed` at the end.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
import hosts                                            # noqa: E402

BIN = os.path.join(hosts.BUILD, "tests/cr")
MODES = ("none", "suspend", "live", "file", "pipe", "again", "twice",
         "migrate", "back")
GROUP = 24              # payloads in one instance
READY_S = 20
END_S = 30
CMD_S = 90


class Bad(Exception):
    """Something is wrong with a payload, or with all of an instance."""


class Payload:
    def __init__(self, name, path):
        self.name = name
        self.tags = set()
        self.notmodes = set()
        self.refused = None
        with open(path) as f:
            head = f.read().split("*/")[0]
        for line in re.findall(r"@cr\s+(.*)", head):
            m = re.search(r"refused=(.*)", line)
            if m:
                self.refused = m.group(1).strip()
                self.tags.add("alone")
                line = line[:m.start()]
            for w in line.split():
                if w.startswith("not="):
                    self.notmodes |= set(w[4:].split(","))
                else:
                    self.tags.add(w)

    def fits(self, mode, userns):
        if mode in self.notmodes:
            return False
        return ("nouserns" if userns else "userns") not in self.tags


def load_payloads(names):
    d = os.path.join(HERE, "pl")
    have = {n[:-2]: os.path.join(d, n) for n in sorted(os.listdir(d))
            if n.endswith(".c")}
    for n in names:
        if n not in have:
            sys.exit("run.py: no payload named %s" % n)
    return [Payload(n, p) for n, p in have.items() if not names or n in names]


class Instance:
    """An instance with some payloads in it."""

    count = 0
    lock = threading.Lock()

    def __init__(self, lab, payloads, userns, say):
        with Instance.lock:
            Instance.count += 1
            self.n = Instance.count
        self.id = "cr%d" % self.n
        self.lab = lab
        self.host = lab["a"]
        self.payloads = payloads
        self.userns = userns
        self.root = "/srv/vps/" + self.id
        self.say = say
        self.up = False

    def vpsctl(self, *words, host=None, env=None, fail=False, stdin=None):
        """fail: True: must fail; None: may. Gives the messages."""
        host = host or self.host
        t = time.monotonic()
        try:
            r = host.run(["vpsctl"] + list(words), timeout=CMD_S, env=env)
        except subprocess.TimeoutExpired:
            raise Bad("vpsctl %s does not end within %d s"
                      % (" ".join(words), CMD_S)) from None
        self.say("%s: vpsctl %s: %d (%.0f ms) %s" % (
            host.name, " ".join(words), r.returncode,
            (time.monotonic() - t) * 1000, r.stderr.strip()))
        if fail is not None and (r.returncode != 0) != fail:
            raise Bad("vpsctl %s: %s" % (
                " ".join(words), r.stderr.strip() or
                "status %d" % r.returncode))
        self.status = r.returncode
        return r.stderr.strip()

    def start(self):
        addr = ""
        if any("net" in p.tags for p in self.payloads):
            addr = "NETIF_0_ADDRESS = '%s%d, %s%x'\n" % (
                hosts.NET4, 110 + self.n % 80, hosts.NET6,
                0x1000 + self.n)
        conf = ("NAME = '%s'\nFSROOT = '%s'\nUSERNS = %s\nINIT = '/crinit "
                "%s'\n%s" % (self.id, self.root,
                             "yes" if self.userns else "no",
                             " ".join(p.name for p in self.payloads), addr))
        self.host.sh("""
            mkdir -p "$1" /etc/vps; cd "$1"
            mkdir -m 755 pl proc sys dev run tmp etc out work
            chmod 1777 tmp
            cp "$2/crinit" .
            for p in $4; do cp "$2/$p" pl/; done
            cat >"/etc/vps/vps_$3.conf"
            """, self.root, BIN, self.id,
                     " ".join(p.name for p in self.payloads), input=conf)
        self.vpsctl("start", self.id)
        self.up = True
        self.wait_files("ready", READY_S)

    def states(self):
        """{payload: set of the files that it has}, from the host."""
        r = self.host.run(["ls", self.root + "/out"])
        have = set(r.stdout.split())
        return {p: {x for x in ("ready", "status")
                    if "%s.%s" % (p.name, x) in have}
                for p in self.payloads}

    def wait_files(self, what, seconds):
        end = time.monotonic() + seconds
        while True:
            st = self.states()
            if what == "ready":
                early = [p for p in st if "status" in st[p]]
                if early:
                    raise Bad("%s ended before it was ready: %s" % (
                        early[0].name, self.log(early[0])))
            left = [p for p in st if what not in st[p]]
            if not left:
                return
            if time.monotonic() > end:
                raise Bad("%s: no %s within %d s: %s" % (
                    " ".join(p.name for p in left), what, seconds,
                    self.log(left[0])))
            time.sleep(0.02)

    def log(self, p):
        r = self.host.run(["cat", "%s/out/%s.log" % (self.root, p.name)])
        return " ".join(r.stdout.split("\n")).strip() or "(no output)"

    def pids(self):
        """{pid inside: pid on the host}, of what is in its cgroup."""
        out = self.host.sh("""
            for c in /sys/fs/cgroup /sys/fs/cgroup/unified; do
                [ -d "$c/vps/$1/payload" ] || continue
                find "$c/vps/$1/payload" -name cgroup.procs -exec cat {} +
            done | while read -r p; do
                grep -h ^NSpid: "/proc/$p/status" 2>/dev/null || true
            done""", self.id)
        found = {}
        for line in out.splitlines():
            w = line.split()[1:]
            if len(w) > 1:
                found[int(w[-1])] = int(w[0])
        return found

    def verify(self):
        """Tells the payloads to go on; each must end well."""
        inside = self.pids()
        for p in self.payloads:
            pid = self.host.sh('cat "$1/out/$2.ready"', self.root, p.name)
            pid = int(pid)
            if pid not in inside:
                raise Bad("%s is gone (pid %d): %s"
                          % (p.name, pid, self.log(p)))
            self.host.run(["kill", "-TERM", str(inside[pid])])
        self.wait_files("status", END_S)
        for p in self.payloads:
            st = self.host.sh('cat "$1/out/$2.status"', self.root,
                              p.name).strip()
            if st != "0":
                raise Bad("%s ended with %s: %s" % (p.name, st, self.log(p)))

    def stop(self):
        if not self.up:
            return
        for h in (self.host, self.lab["a"], self.lab["b"]):
            r = h.run(["vpsctl", "stop", self.id], timeout=CMD_S)
            if r.returncode:
                h.run(["vpsctl", "abort", self.id], timeout=CMD_S)
                h.run(["vpsctl", "stop", self.id], timeout=CMD_S)
            h.run(["rm", "-rf", "--one-file-system", self.root,
                   "/etc/vps/vps_%s.conf" % self.id, self.root + ".vps"])
        self.up = False

    # ---- what happens to it

    def happen(self, mode):
        getattr(self, "do_" + mode)()

    def do_none(self):
        pass

    def do_suspend(self):
        self.vpsctl("suspend", self.id)
        time.sleep(0.1)
        self.vpsctl("resume", self.id)

    def do_live(self):
        self.vpsctl("snapshot", "--live", self.id, self.root + ".vps")

    def do_file(self):
        f = self.root + ".vps"
        before = self.pids()
        self.vpsctl("suspend", self.id)
        self.vpsctl("snapshot", self.id, f)
        self.vpsctl("showdump", f)
        self.vpsctl("stop", self.id)
        if self.pids():
            raise Bad("processes are left after stop")
        self.vpsctl("restore", self.id, f)
        self.vpsctl("resume", self.id)
        self.same_pids(before)

    def same_pids(self, before):
        after = self.pids()
        gone = sorted(set(before) - set(after))
        new = sorted(set(after) - set(before))
        # A payload may fork and reap while it waits: only what is there at
        # both ends counts, and pid 1.
        if 1 not in after or len(gone) > len(before) // 2:
            raise Bad("pids inside: %s are gone, %s are new" % (gone, new))
        same = {p for p in before if after.get(p) == before[p]}
        if same:
            raise Bad("pids %s are the same on the host: not restored"
                      % sorted(same))

    def do_pipe(self):
        f = self.root + ".vps"
        self.vpsctl("suspend", self.id)
        self.sh('vpsctl snapshot "$1" - | cat >"$2"', self.id, f)
        self.vpsctl("stop", self.id)
        self.sh('cat "$2" | vpsctl restore "$1" -', self.id, f)
        self.vpsctl("resume", self.id)

    def sh(self, script, *args):
        r = self.host.run(["bash", "-o", "pipefail", "-c", script, "sh"] +
                          list(args), timeout=CMD_S)
        self.say("%s: %s: %d %s" % (self.host.name, script, r.returncode,
                                    r.stderr.strip()))
        if r.returncode:
            raise Bad("%s: %s" % (script, r.stderr.strip()))

    def do_again(self):
        self.do_suspend()
        self.do_file()

    def do_twice(self):
        self.do_file()
        self.do_file()

    def do_migrate(self):
        dst = self.lab["b" if self.host.name == "a" else "a"]
        before = self.pids()
        self.vpsctl("migrate", self.id, dst.hostname)
        if self.pids():
            raise Bad("processes are left on host %s" % self.host.name)
        self.host = dst
        self.same_pids(before)

    def do_back(self):
        self.do_migrate()
        self.do_migrate()

    def refused(self, mode, text):
        """The snapshot or move must be refused, with this in the message."""
        if mode in ("migrate", "back"):
            msg = self.vpsctl("migrate", self.id, self.lab["b"].hostname,
                              fail=True)
        elif mode == "live":
            msg = self.vpsctl("snapshot", "--live", self.id,
                              self.root + ".vps", fail=True)
        else:
            # Before the freeze: suspend itself may say no.
            msg = self.vpsctl("suspend", self.id, fail=None)
            if self.status == 0:
                msg = self.vpsctl("snapshot", self.id, self.root + ".vps",
                                  fail=True)
                self.vpsctl("resume", self.id)
        if text not in msg:
            raise Bad("refused with %r, which does not say %r" % (msg, text))
        r = self.host.run(["test", "-e", self.root + ".vps"])
        if r.returncode == 0:
            raise Bad("a refused snapshot has left a file")


class Runner:
    def __init__(self, lab, verbose):
        self.lab = lab
        self.verbose = verbose
        self.passed = self.skipped = 0
        self.kill_what = ("suspend", "resume", "live", "snapshot", "restore")
        self.failed = []
        self.lock = threading.Lock()

    def say(self, text):
        if self.verbose:
            print("    " + text, flush=True)

    def note(self, p, what, why=None):
        with self.lock:
            if why is None:
                self.passed += 1
                print("ok      %-20s %s" % (p, what), flush=True)
            else:
                self.failed.append((p, what))
                print("FAILED  %-20s %s: %s" % (p, what, why), flush=True)

    def attempt(self, payloads, mode, userns):
        """One instance with these payloads. Gives why not, or None."""
        inst = Instance(self.lab, payloads, userns, self.say)
        why = None
        try:
            inst.start()
            if payloads[0].refused and mode != "none":
                inst.refused(mode, payloads[0].refused)
            else:
                inst.happen(mode)
            inst.verify()
        except (Bad, hosts.LabError, subprocess.TimeoutExpired) as e:
            why = " ".join(str(e).split())
        finally:
            try:
                inst.stop()
            except (hosts.LabError, subprocess.TimeoutExpired) as e:
                why = why or "stop: %s" % e
        return why

    def group(self, payloads, mode, userns):
        what = "%s, %s user namespace" % (mode,
                                          "with" if userns else "without")
        why = self.attempt(payloads, mode, userns)
        if why is None:
            for p in payloads:
                self.note(p.name, what)
        elif len(payloads) == 1:
            self.note(payloads[0].name, what, why)
        else:
            self.say("the group failed: %s; each alone now" % why)
            alone = [self.attempt([p], mode, userns) for p in payloads]
            for p, w in zip(payloads, alone):
                self.note(p.name, what, w)
            if not any(alone):
                self.note("all together", what, why)

    def usable(self, usernss):
        """Leaves out what this version refuses by name."""
        out = []
        idle = [p for p in load_payloads(["idle"])]
        for userns in usernss:
            why = self.attempt(idle, "none", userns)
            if why and "supported yet" in why:
                print("skipped %s user namespace: %s" % (
                    "with" if userns else "without", why), flush=True)
                self.skipped += 1
            else:
                out.append(userns)
        return out

    def cross(self, payloads, modes, usernss):
        work = []
        for mode in modes:
            for userns in usernss:
                fit = [p for p in payloads if p.fits(mode, userns)]
                work += [([p], mode, userns) for p in fit
                         if "alone" in p.tags]
                rest = [p for p in fit if "alone" not in p.tags]
                work += [(rest[i:i + GROUP], mode, userns)
                         for i in range(0, len(rest), GROUP)]
        it = iter(work)

        def worker():
            while True:
                with self.lock:
                    job = next(it, None)
                if job is None:
                    return
                self.group(*job)

        threads = [threading.Thread(target=worker) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    # ---- fault points

    @staticmethod
    def points():
        """The names of the fault points, from the sources."""
        found = set()
        for d, _, files in os.walk(os.path.join(hosts.REPO, "src")):
            for n in files:
                if n.endswith(".c"):
                    with open(os.path.join(d, n)) as f:
                        found |= set(re.findall(
                            r'\b(?:core_fault|fault_hit)\("([^"]+)"',
                            f.read()))
        return sorted(found)

    def faults(self, payloads, modes, usernss):
        points = self.points()
        if not points:
            self.note("faults", "list", "no fault points found")
        for mode in modes:
            for point in points:
                for kind in ("", "kill:"):
                    for userns in usernss:
                        self.fault(payloads, mode, kind + point, userns)

    def fault(self, payloads, mode, fault, userns):
        """The command fails at one point. If it isn't passed, nothing to
        see; else the payloads must be there, resumed, and well."""
        what = "%s with VPS_FAULT=%s" % (mode, fault)
        payloads = [p for p in payloads if p.fits(mode, userns)
                    and not p.refused][:GROUP]
        inst = Instance(self.lab, payloads, userns, self.say)
        why = None
        try:
            inst.start()
            env = {"VPS_FAULT": fault}
            f = inst.root + ".vps"
            if mode == "suspend":
                inst.vpsctl("suspend", inst.id, env=env, fail=None)
            elif mode == "live":
                inst.vpsctl("snapshot", "--live", inst.id, f, env=env,
                            fail=None)
            elif mode == "migrate":
                inst.vpsctl("migrate", inst.id, inst.lab["b"].hostname,
                            env=env, fail=None)
                self.settle(inst)
            else:
                inst.vpsctl("suspend", inst.id)
                inst.vpsctl("snapshot", inst.id, f, env=env, fail=None)
                if inst.status == 0:        # not passed at dump: at restore
                    inst.vpsctl("stop", inst.id)
                    inst.vpsctl("restore", inst.id, f, env=env, fail=None)
                    if inst.status != 0:
                        inst.vpsctl("restore", inst.id, f)
            inst.vpsctl("resume", inst.id, fail=None)
            inst.verify()
        except (Bad, hosts.LabError, subprocess.TimeoutExpired) as e:
            why = " ".join(str(e).split())
        finally:
            inst.stop()
        self.note("%d payloads" % len(payloads), what, why)

    # ---- killed commands

    def kills(self, payloads, usernss):
        payloads = [p for p in payloads if not p.refused
                    and "alone" not in p.tags and p.name != "spawn_loop"]
        for userns in usernss:
            fit = [p for p in payloads if p.fits("file", userns)][:GROUP]
            for what in self.kill_what:
                why = None
                inst = Instance(self.lab, fit, userns, self.say)
                try:
                    inst.start()
                    done = self.kill_each(inst, what)
                    inst.verify()
                except (Bad, hosts.LabError,
                        subprocess.TimeoutExpired) as e:
                    why = " ".join(str(e).split())
                    done = 0
                finally:
                    inst.stop()
                self.note("%d payloads" % len(fit), "%s killed %d times"
                          % (what, done), why)

    def kill_each(self, inst, what, times=20):
        """Kills a command, from at once to when it would be done."""
        f = inst.root + ".vps"
        words = {"suspend": ["suspend", inst.id],
                 "resume": ["resume", inst.id],
                 "live": ["snapshot", "--live", inst.id, f],
                 "snapshot": ["snapshot", inst.id, f],
                 "restore": ["restore", inst.id, f]}[what]
        if what in ("resume", "snapshot", "restore"):
            inst.vpsctl("suspend", inst.id)
        if what == "restore":
            inst.vpsctl("snapshot", inst.id, f)
            inst.vpsctl("stop", inst.id)
        t = time.monotonic()
        inst.vpsctl(*words)         # how long it takes
        whole = time.monotonic() - t
        done = 0
        for i in range(times):
            self.back(inst, what)
            p = inst.host.popen(["vpsctl"] + words,
                                stderr=subprocess.DEVNULL)
            try:
                p.wait(whole * i / times)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait(CMD_S)
                done += 1
            if what == "restore":
                continue
            # The one after it must do what it is there for.
            # (The keeper, or the next command, cleans up after it.)
            end = time.monotonic() + 5
            while True:
                st = self.state(inst)
                if st in ("running", "suspended") or time.monotonic() > end:
                    break
                time.sleep(0.05)
            if st not in ("running", "suspended"):
                raise Bad("%s was killed, now it is %s" % (what, st))
        self.back(inst, what)
        inst.vpsctl("restore" if what == "restore" else "resume",
                    *words[1:] if what == "restore" else [inst.id],
                    fail=None)
        inst.vpsctl("resume", inst.id, fail=None)
        if self.state(inst) != "running":
            raise Bad("after the last one it is %s" % self.state(inst))
        return done

    @staticmethod
    def back(inst, what):
        """To the state that the command starts from."""
        if what in ("suspend", "live"):
            inst.vpsctl("resume", inst.id, fail=None)
        elif what in ("resume", "snapshot"):
            inst.vpsctl("suspend", inst.id, fail=None)
        else:
            inst.vpsctl("stop", inst.id, fail=None)

    @staticmethod
    def state(inst):
        inst.vpsctl("show", inst.id)
        r = inst.host.run(["vpsctl", "list", "--json"])
        for x in json.loads(r.stdout):
            if x["id"] == inst.id:
                return x["state"]
        return "gone"

    def settle(self, inst):
        """After a broken migration exactly one side has it."""
        have = []
        for h in (inst.lab["a"], inst.lab["b"]):
            inst.vpsctl("migrate", "--resolve", inst.id, host=h, fail=None)
            inst.host = h
            if inst.pids():
                have.append(h)
        if len(have) != 1:
            inst.host = inst.lab["a"]
            raise Bad("it is on %d hosts" % len(have))
        inst.host = have[0]


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("-v", "--verbose", action="store_true")
    ap.add_argument("--mode", default="")
    ap.add_argument("--userns", default="yes,no")
    ap.add_argument("--faults", action="store_true")
    ap.add_argument("--kills", action="store_true")
    ap.add_argument("--what", help="with --kills: only these commands")
    ap.add_argument("--list", action="store_true")
    ap.add_argument("--lab", help="use a lab that is up")
    ap.add_argument("payloads", nargs="*")
    a = ap.parse_args()
    payloads = load_payloads(a.payloads)
    if a.list:
        for p in payloads:
            print(p.name, " ".join(sorted(p.tags)))
        return 0
    modes = a.mode.split(",") if a.mode else \
        ("suspend", "file", "migrate") if a.faults else MODES
    for m in modes:
        if m not in MODES:
            sys.exit("run.py: no mode named %s" % m)
    if os.geteuid():
        print("needs root", file=sys.stderr)
        return 77
    usernss = [x == "yes" for x in a.userns.split(",")]
    signal.signal(signal.SIGTERM, lambda *x: sys.exit(1))
    lab = hosts.Lab(hosts=("a", "b"), name=a.lab)
    if a.lab:
        lab.attach()
    else:
        lab.start()
    try:
        r = Runner(lab, a.verbose)
        usernss = r.usable(usernss)
        if a.faults:
            r.faults(payloads, modes, usernss)
        elif a.kills:
            r.kill_what = a.what.split(",") if a.what else r.kill_what
            r.kills(payloads, usernss)
        else:
            r.cross(payloads, modes, usernss)
    finally:
        if not a.lab:
            lab.stop()
    print("%d passed, %d failed%s" % (
        r.passed, len(r.failed),
        ", %d skipped" % r.skipped if r.skipped else ""))
    return 1 if r.failed or not r.passed else 0


if __name__ == "__main__":
    sys.exit(main())
