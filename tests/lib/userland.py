#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A Debian 12 userland for the demo and the tests.

Built once with debootstrap from the mirror that apt on this machine is
configured with, kept as a tar file in the cache, and unpacked for each test.
The tar file holds nothing that is secret or must differ between two copies:
keys are made when it is unpacked.

usage: userland.py build            make the cached file, print its path
       userland.py unpack DIR       unpack into DIR, make ssh host keys
                                    [--key FILE.pub] [--hostname NAME]
"""
import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

CACHE = os.environ.get("VPS_TEST_CACHE", "/var/cache/vps-tests")
SUITE = "bookworm"
HERE = os.path.dirname(os.path.abspath(__file__))

PACKAGES = """sysvinit-core initscripts busybox-syslogd cron openssh-server
redis-server redis-tools python3-minimal python3 procps iproute2 netbase
nginx-light""".split()

# Scripts that have no function without hardware of one's own.
NO_SCRIPTS = ("hwclock.sh", "brightness", "busybox-klogd", "nginx")

INITTAB = """\
id:2:initdefault:
si::sysinit:/etc/init.d/rcS
l0:0:wait:/etc/init.d/rc 0
l1:1:wait:/etc/init.d/rc 1
l2:2:wait:/etc/init.d/rc 2
l3:3:wait:/etc/init.d/rc 3
l4:4:wait:/etc/init.d/rc 4
l5:5:wait:/etc/init.d/rc 5
l6:6:wait:/etc/init.d/rc 6
pf::powerwait:/sbin/shutdown -h now
co:2345:respawn:/sbin/getty --noclear --keep-baud console 115200 vt100
ec:2345:respawn:/usr/local/sbin/echo-server
"""

REDIS = """
# What the tests need: clients from outside, no disk, DEBUG commands.
bind * -::*
protected-mode no
save ""
appendonly no
enable-debug-command yes
"""

ECHO_SERVER = r'''#!/usr/bin/python3
"""Sends every line back. Counts how often it was started: `?starts` answers
with that number, its pid and the number of lines so far."""
import os
import selectors
import socket

STATE = "/var/lib/echo-starts"
try:
    with open(STATE) as f:
        starts = int(f.read())
except (OSError, ValueError):
    starts = 0
starts += 1
with open(STATE + ".new", "w") as f:
    f.write("%d\n" % starts)
os.rename(STATE + ".new", STATE)

lines = 0
sel = selectors.DefaultSelector()
lsock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
lsock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
lsock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
lsock.bind(("::", 7))
lsock.listen(64)
sel.register(lsock, selectors.EVENT_READ, None)
while True:
    for key, _ in sel.select():
        if key.data is None:
            conn, _ = lsock.accept()
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sel.register(conn, selectors.EVENT_READ, bytearray())
            continue
        conn, buf = key.fileobj, key.data
        try:
            data = conn.recv(65536)
        except OSError:
            data = b""
        if not data:
            sel.unregister(conn)
            conn.close()
            continue
        buf += data
        out = bytearray()
        while b"\n" in buf:
            line, _, rest = bytes(buf).partition(b"\n")
            buf[:] = rest
            if line == b"?starts":
                line = b"starts %d pid %d lines %d" % (starts, os.getpid(),
                                                      lines)
            else:
                lines += 1
            out += line + b"\n"
        if out:
            conn.sendall(out)
'''

# Run in the ssh login: output that must stay in order and complete.
NUMBERS = r'''#!/usr/bin/python3
"""Prints numbered lines, 50 a second, until it reads a line."""
import select
import sys
import time

n = 0
due = time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    print("number %d" % n, flush=True)
    n += 1
    due += 0.02
    time.sleep(max(0, due - time.monotonic()))
print("numbers end %d" % n, flush=True)
'''

RECIPE = 5      # raise when what configure() does changes


class UserlandError(Exception):
    pass


def _indextargets():
    fmt = "$(REPO_URI)\t$(CODENAME)\t$(RELEASE)\t$(COMPONENT)\t$(ORIGIN)"
    r = subprocess.run(["apt-get", "indextargets", "--format", fmt,
                        "Created-By: Packages"], capture_output=True,
                       text=True)
    for line in r.stdout.splitlines():
        yield (line.split("\t") + [""] * 5)[:5]


def _sources():
    """The same from the source files, where apt-get can't say."""
    base = "/etc/apt/sources.list"
    files = [base]
    if os.path.isdir(base + ".d"):
        files += sorted(os.path.join(base + ".d", n)
                        for n in os.listdir(base + ".d"))
    for name in files:
        try:
            with open(name) as f:
                text = f.read()
        except OSError:
            continue
        if name.endswith(".sources"):
            for para in text.split("\n\n"):
                v = {}
                for line in para.splitlines():
                    if line.startswith("#") or ":" not in line:
                        continue
                    k, _, val = line.partition(":")
                    v[k.strip().lower()] = val.split()
                for uri in v.get("uris", []):
                    for suite in v.get("suites", []):
                        yield uri, suite, suite, "main", ""
        else:
            for line in text.splitlines():
                w = line.split("#")[0].split()
                if not w or w[0] != "deb":
                    continue
                w = w[1:]
                if w and w[0].startswith("["):
                    while w and not w[0].endswith("]"):
                        w = w[1:]
                    w = w[1:]
                if len(w) >= 2:
                    yield w[0], w[1], w[1], "main", ""


def mirror():
    """The address of the Debian mirror that apt uses."""
    found = []
    for source in (_indextargets, _sources):
        for uri, codename, release, comp, origin in source():
            if comp != "main" or "security" in release + codename:
                continue
            if origin not in ("Debian", "", "$(ORIGIN)"):
                continue
            if "-" in release:
                continue
            found.append((SUITE not in (codename, release), uri))
        if found:
            break
    if not found:
        raise UserlandError("apt on this machine has no Debian archive "
                            "configured (apt-get indextargets names none)")
    return sorted(found)[0][1]


def _proxy_env():
    env = dict(os.environ)
    for proto in ("http", "https"):
        r = subprocess.run(["apt-config", "shell", "P",
                            "Acquire::%s::Proxy" % proto],
                           capture_output=True, text=True)
        val = r.stdout.strip()
        if val.startswith("P='") and proto + "_proxy" not in env:
            url = val[3:-1]
            if url and url != "DIRECT":
                env[proto + "_proxy"] = url
    env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    env["DEBIAN_FRONTEND"] = "noninteractive"
    env["LC_ALL"] = "C"
    return env


def _write(root, path, text, mode=0o644):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    if os.path.islink(full):
        os.unlink(full)
    with open(full, "w") as f:
        f.write(text)
    os.chmod(full, mode)


def configure(root):
    """Turns what debootstrap left into the tests' system."""
    for d in ("var/lib/apt/lists", "var/cache/apt", "usr/share/doc",
              "usr/share/man", "usr/share/locale", "var/log/bootstrap.log",
              "usr/share/info"):
        full = os.path.join(root, d)
        if os.path.isdir(full):
            for n in os.listdir(full):
                p = os.path.join(full, n)
                if os.path.isdir(p) and not os.path.islink(p):
                    shutil.rmtree(p)
                else:
                    os.unlink(p)
        elif os.path.exists(full):
            os.unlink(full)
    os.makedirs(os.path.join(root, "var/cache/apt/archives/partial"),
                exist_ok=True)
    for n in os.listdir(os.path.join(root, "etc/ssh")):
        if n.startswith("ssh_host_"):
            os.unlink(os.path.join(root, "etc/ssh", n))
    _write(root, "etc/inittab", INITTAB)
    _write(root, "etc/fstab", "# nothing: the host mounts what is needed\n")
    _write(root, "etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    _write(root, "etc/hostname", "vps\n")
    _write(root, "etc/resolv.conf", "")
    for lvl in os.listdir(os.path.join(root, "etc")):
        d = os.path.join(root, "etc", lvl)
        if not (lvl.startswith("rc") and lvl.endswith(".d")):
            continue
        for n in os.listdir(d):
            if n[3:] in NO_SCRIPTS:
                os.unlink(os.path.join(d, n))
    with open(os.path.join(root, "etc/redis/redis.conf"), "a") as f:
        f.write(REDIS)
    _write(root, "usr/local/sbin/echo-server", ECHO_SERVER, 0o755)
    _write(root, "usr/local/bin/numbers", NUMBERS, 0o755)
    # Debian's default is a ring in System V shared memory.
    _write(root, "etc/default/busybox-syslogd",
           'SYSLOG_OPTS="-O /var/log/messages"\n')
    # A job a minute, so that cron forks now and then as it does in life.
    _write(root, "etc/cron.d/tick",
           "* * * * * root date >>/var/log/tick\n")


def _tail(path, n=5):
    try:
        with open(path, errors="replace") as f:
            return "".join("  | " + x for x in f.readlines()[-n:])
    except OSError:
        return ""


def _debootstrap(target, log):
    uri = mirror()
    argv = ["debootstrap", "--variant=minbase", "--components=main",
            "--include=" + ",".join(PACKAGES), SUITE, target, uri]
    with open(log, "w") as f:
        r = subprocess.run(argv, stdout=f, stderr=f, env=_proxy_env(),
                           stdin=subprocess.DEVNULL)
    return r.returncode


def recipe_name():
    h = hashlib.sha256()
    for part in (SUITE, " ".join(PACKAGES), INITTAB, REDIS, ECHO_SERVER,
                 NUMBERS, str(RECIPE)):
        h.update(part.encode() + b"\0")
    return "debian12-" + h.hexdigest()[:12] + ".tar"


def build(say=lambda s: None, tries=3):
    """Makes the cached tar file if it isn't there. Returns its path."""
    os.makedirs(CACHE, mode=0o700, exist_ok=True)
    tar = os.path.join(CACHE, recipe_name())
    with open(os.path.join(CACHE, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(tar):
            return tar
        say("making a Debian 12 userland (once; about a minute)")
        log = os.path.join(CACHE, "debootstrap.log")
        # debootstrap is several times as fast in memory.
        parent = "/dev/shm" if _free("/dev/shm") > (1 << 30) else CACHE
        work = tempfile.mkdtemp(prefix="vps-userland-", dir=parent)
        try:
            for attempt in range(1, tries + 1):
                root = os.path.join(work, "root%d" % attempt)
                if _debootstrap(root, log) == 0:
                    break
                subprocess.run(["rm", "-rf", "--one-file-system", root])
                if attempt == tries:
                    raise UserlandError(
                        "debootstrap could not make the Debian userland "
                        "after %d tries; can this machine reach the archive "
                        "that its apt uses? the end of %s:\n%s"
                        % (tries, log, _tail(log)))
                say("debootstrap failed, trying again in %d s"
                    % (10 * attempt))
                time.sleep(10 * attempt)
            configure(root)
            subprocess.run(["tar", "-C", root, "--numeric-owner", "--xattrs",
                            "--one-file-system", "-cf", tar + ".new", "."],
                           check=True)
            os.rename(tar + ".new", tar)
            for n in os.listdir(CACHE):     # of earlier recipes
                if n.startswith("debian12-") and n != os.path.basename(tar):
                    os.unlink(os.path.join(CACHE, n))
        finally:
            subprocess.run(["rm", "-rf", "--one-file-system", work])
    return tar


def _free(path):
    try:
        st = os.statvfs(path)
    except OSError:
        return 0
    return st.f_bavail * st.f_frsize


def unpack(root, key=None, hostname=None, say=lambda s: None):
    """Unpacks the userland into root, with ssh keys of its own."""
    tar = build(say)
    os.makedirs(root, exist_ok=True)
    os.chmod(root, 0o755)
    subprocess.run(["tar", "-C", root, "--numeric-owner", "--xattrs",
                    "--xattrs-include=*", "-xpf", tar], check=True)
    for t in ("ed25519", "rsa"):
        f = os.path.join(root, "etc/ssh/ssh_host_%s_key" % t)
        argv = ["ssh-keygen", "-q", "-t", t, "-N", "", "-C", "", "-f", f]
        if t == "rsa":
            argv += ["-b", "2048"]
        subprocess.run(argv, check=True)
    if hostname:
        _write(root, "etc/hostname", hostname + "\n")
        with open(os.path.join(root, "etc/hosts"), "a") as f:
            f.write("127.0.1.1 %s\n" % hostname)
    if key:
        with open(key) as f:
            _write(root, "root/.ssh/authorized_keys", f.read(), 0o600)
        os.chmod(os.path.join(root, "root/.ssh"), 0o700)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sub = ap.add_subparsers(dest="cmd", required=True)
    sub.add_parser("build")
    up = sub.add_parser("unpack")
    up.add_argument("dir")
    up.add_argument("--key")
    up.add_argument("--hostname")
    a = ap.parse_args()

    def say(text):
        print("userland: " + text, file=sys.stderr, flush=True)

    try:
        if a.cmd == "build":
            print(build(say))
        else:
            unpack(a.dir, a.key, a.hostname, say)
    except UserlandError as e:
        say(str(e))
        return 1
    except FileNotFoundError as e:
        say("%s: not installed? run tools/deps.sh demo" % e.filename)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
