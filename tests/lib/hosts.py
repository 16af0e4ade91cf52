#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts on one machine that share nothing that counts, and a client.

A *lab* is a set of hosts joined by a bridge. Each host has its own network,
mount, pid, time, ipc, uts and cgroup namespace, a cgroup sub-root in every
hierarchy, its own /etc, /root, /run, /tmp and /var, an ext4 filesystem of its
own on /srv/vps (over FSROOT's parent), its own range of user ids, and its own
sshd with its own host key; hosts reach each other with `ssh hosta`. A client
has only a network and a pid namespace.

Who holds what, so that a lab vanishes whatever is killed:

    runner (your test)      may die: the supervisor sees its pipe close
    supervisor              one per lab; tears down. If it is killed, the
                            kernel kills its children (PR_SET_PDEATHSIG), and
                            the next lab removes what remains (cgroups)
      pid 1 of each host    everything in a host dies with it: processes,
                            mounts, the loop device, interfaces

From Python:

    with hosts.Lab() as lab:
        r = lab["a"].run(["vpsctl", "list"])
        p = lab["c"].popen(["python3", "client.py"], stdout=subprocess.PIPE)

From a shell, or by hand:

    hosts.py up NAME                   a lab that stays until `down`
    hosts.py run NAME HOST CMD...      HOST: a, b or c (the client)
    hosts.py down NAME
    hosts.py with CMD...               a lab for one command; its name is in
                                       $VPS_LAB
"""
import argparse
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("VPS_BUILD", os.path.join(REPO, "build"))
BASE = "/run/vps-tests"
PATH = ":".join([os.path.join(BUILD, "src/vpsctl"),
                 os.path.join(BUILD, "src/helpers"),
                 "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
                 "/bin"])

NET4 = "10.77.0."
NET6 = "fd77::"
# name: last part of the address, offsets of the clocks in seconds, pool of ids
# for instances, pid from which a host counts (so that the same pid
# on two hosts isn't chance). Clients have no filesystem and no sshd.
HOSTS = {
    "a": {"n": 1, "monotonic": 100000, "boottime": 300000,
          "ids": "300000000:65536000", "pid": 5000},
    "b": {"n": 2, "monotonic": 7000000, "boottime": 9000000,
          "ids": "500000000:65536000", "pid": 15000},
    "c": {"n": 100, "client": True},
}

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x20000, 0x2000000, 0x4000000
CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x8000000, 0x20000000, 0x40000000
CLONE_NEWTIME = 0x80
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 0x40000, 0x1000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    pass


def _check(r, what):
    if r < 0:
        n = ctypes.get_errno()
        raise OSError(n, what + ": " + os.strerror(n))
    return r


def _unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def _mount(src, dst, fs=None, flags=0, data=None):
    enc = [x.encode() if x is not None else None
           for x in (src, dst, fs, data)]
    _check(_libc.mount(enc[0], enc[1], enc[2], flags, enc[3]),
           "mount %s on %s" % (fs or src, dst))


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _write(path, text, mode=None):
    with open(path, "w") as f:
        f.write(text)
    if mode is not None:
        os.chmod(path, mode)


# ---------------------------------------------------------------- cgroups

def cgroup_mounts():
    """[(mount point, fstype, options for mount)] of the machine."""
    out = []
    with open("/proc/self/mountinfo") as f:
        for line in f:
            left, _, right = line.partition(" - ")
            point = left.split()[4]
            fs, _, opts = right.split()
            if fs == "cgroup2":
                out.append((point, fs, ""))
            elif fs == "cgroup":
                keep = [o for o in opts.split(",") if o not in
                        ("rw", "ro", "xattr", "clone_children")
                        and not o.startswith("release_agent=")]
                if any(o.startswith("name=") for o in keep):
                    keep.insert(0, "none")
                out.append((point, fs, ",".join(keep)))
    return out


def _cgroup_make(path, parent):
    os.makedirs(path, exist_ok=True)
    for f in ("cpuset.cpus", "cpuset.mems"):
        mine = os.path.join(path, f)
        if not os.path.exists(os.path.join(path, "cgroup.clone_children")):
            break
        if os.path.exists(mine):
            with open(os.path.join(parent, f)) as g:
                _write(mine, g.read())
    if os.path.exists(os.path.join(path, "cpuset.cpus")):
        try:
            _write(os.path.join(path, "cgroup.clone_children"), "1")
        except OSError:
            pass


def _cgroup_controllers(path):
    """v2: passes every controller on to the children of path."""
    try:
        with open(os.path.join(path, "cgroup.controllers")) as f:
            names = f.read().split()
    except OSError:
        return
    for n in names:
        try:
            _write(os.path.join(path, "cgroup.subtree_control"), "+" + n)
        except OSError:
            pass


def cgroups_create(lab, name):
    """Makes the sub-root of a host in every hierarchy."""
    out = []
    for point, fs, _ in cgroup_mounts():
        top = os.path.join(point, "vps-tests-" + lab)
        sub = os.path.join(top, name)
        _cgroup_make(top, point)
        _cgroup_make(sub, top)
        if fs == "cgroup2":
            _cgroup_controllers(point)
            _cgroup_controllers(top)
            _cgroup_make(os.path.join(sub, "host"), sub)
        out.append((sub, fs))
    return out


def cgroups_remove(lab, deadline=5.0):
    """Kills what is left in the cgroups of a lab and removes them."""
    end = time.monotonic() + deadline
    left = []
    while True:
        left = []
        for point, _, _ in cgroup_mounts():
            top = os.path.join(point, "vps-tests-" + lab)
            for d, _, files in os.walk(top, topdown=False):
                if "cgroup.procs" not in files:
                    continue
                try:
                    with open(os.path.join(d, "cgroup.procs")) as f:
                        for pid in f.read().split():
                            os.kill(int(pid), signal.SIGKILL)
                except OSError:
                    pass
                try:
                    os.rmdir(d)
                except FileNotFoundError:
                    pass
                except OSError:
                    left.append(d)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.02)


# ------------------------------------------------------- pid 1 of a host

class Agent:
    """Pid 1 of a host: runs what it is asked for, reaps, nothing else."""

    def __init__(self, lsock):
        self.lsock = lsock
        self.poll = select.poll()
        self.poll.register(lsock, select.POLLIN)
        self.conns = {}         # descriptor -> socket
        self.jobs = {}          # pid -> descriptor of its connection

    def loop(self):
        rd, wr = os.pipe()
        os.set_blocking(wr, False)
        os.set_blocking(rd, False)
        signal.set_wakeup_fd(wr, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *a: None)
        self.poll.register(rd, select.POLLIN)
        while True:
            for fd, _ in self.poll.poll():
                if fd == rd:
                    try:
                        os.read(rd, 4096)
                    except BlockingIOError:
                        pass
                elif fd == self.lsock.fileno():
                    conn, _ = self.lsock.accept()
                    self.conns[conn.fileno()] = conn
                    self.poll.register(conn, select.POLLIN)
                else:
                    self.request(fd)
            self.reap()

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            fd = self.jobs.pop(pid, None)
            if fd in self.conns:
                self.reply(fd, {"status": os.waitstatus_to_exitcode(status)})
                self.drop(fd)

    def reply(self, fd, msg):
        try:
            self.conns[fd].send(json.dumps(msg).encode())
        except OSError:
            pass

    def drop(self, fd):
        self.poll.unregister(fd)
        self.conns.pop(fd).close()

    def request(self, fd):
        conn = self.conns[fd]
        try:
            data, fds, _, _ = socket.recv_fds(conn, 1 << 17, 3)
        except OSError:
            data, fds = b"", []
        pid = next((p for p, c in self.jobs.items() if c == fd), None)
        if not data:
            # The one who asked is gone: so is what it asked for.
            if pid:
                self.kill(pid, signal.SIGKILL)
                del self.jobs[pid]
            self.drop(fd)
            return
        req = json.loads(data)
        if "kill" in req:
            if pid:
                self.kill(pid, req["kill"])
            return
        pid = self.spawn(req, fds)
        for f in fds:
            os.close(f)
        self.jobs[pid] = fd
        self.reply(fd, {"pid": pid})

    @staticmethod
    def kill(pid, sig):
        for target in (lambda: os.killpg(pid, sig),
                       lambda: os.kill(pid, sig)):
            try:
                target()
                return
            except OSError:
                pass

    @staticmethod
    def spawn(req, fds):
        everything = signal.valid_signals()
        signal.pthread_sigmask(signal.SIG_BLOCK, everything)
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, everything)
            return pid
        try:
            signal.set_wakeup_fd(-1)
            for s in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT,
                      signal.SIGTERM):
                signal.signal(s, signal.SIG_DFL)
            os.setsid()
            # Only now: what was sent meanwhile is for the program.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, everything)
            fds = [fcntl.fcntl(f, fcntl.F_DUPFD, 10) for f in fds]
            for i, f in enumerate(fds):
                os.dup2(f, i)
            os.closerange(3, 1 << 16)
            os.chdir(req.get("cwd") or "/")
            env = req["env"]
            os.environ.clear()
            os.environ.update(env)
            os.execvpe(req["argv"][0], req["argv"], env)
        except OSError as e:
            os.write(2, ("%s: %s\n" % (req["argv"][0],
                                       e.strerror)).encode())
        finally:
            os._exit(127)


def _private_dirs(name, state):
    """Gives a host its own copies of what programs write to."""
    repo_fd = os.open(REPO, os.O_PATH | os.O_DIRECTORY)
    build_fd = os.open(BUILD, os.O_PATH | os.O_DIRECTORY) \
        if os.path.isdir(BUILD) else -1
    cache = os.environ.get("VPS_TEST_CACHE", "/var/cache/vps-tests")
    cache_fd = os.open(cache, os.O_PATH | os.O_DIRECTORY) \
        if os.path.isdir(cache) else -1
    _mount("tmpfs", "/run", "tmpfs", 0, "mode=0755")
    os.mkdir(state, 0o700)
    for d in ("etc", "var", "srv"):
        up, work = ("%s/%s.%s" % (state, d, x) for x in ("upper", "work"))
        os.mkdir(up, 0o755)
        os.mkdir(work, 0o755)
        _mount("overlay", "/" + d, "overlay", 0,
               "lowerdir=/%s,upperdir=%s,workdir=%s" % (d, up, work))
    for d, mode in (("/root", "0700"), ("/tmp", "1777"),
                    ("/dev/shm", "1777")):
        _mount("tmpfs", d, "tmpfs", 0, "mode=" + mode)
    for path, fd in ((REPO, repo_fd), (BUILD, build_fd), (cache, cache_fd)):
        if fd >= 0:
            if not os.path.exists(path):
                os.makedirs(path)
                _mount("/proc/self/fd/%d" % fd, path, None, MS_BIND)
            os.close(fd)
    for d in ("/run/lock", "/run/sshd"):
        os.mkdir(d, 0o755)
    _mount("devpts", "/dev/pts", "devpts", 0,
           "newinstance,ptmxmode=0666,mode=0620,gid=5")
    img = state + "/srv.img"
    with open(img, "wb") as f:
        f.truncate(8 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-E",
                    "lazy_itable_init=1,lazy_journal_init=1", "-L",
                    "vps-" + name, img], check=True)
    os.mkdir("/srv/vps", 0o700)
    subprocess.run(["mount", "-o", "loop", img, "/srv/vps"], check=True)
    os.chmod("/srv/vps", 0o700)
    os.unlink(img)


def _private_sys(mounts):
    # Without these two, /sys would show the machine's network and /proc the
    # machine's processes.
    _mount("sysfs", "/sys", "sysfs", 0, None)
    if mounts and not any(p == "/sys/fs/cgroup" for p, _, _ in mounts):
        _mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, "mode=0755")
    for point, fs, opts in mounts:
        os.makedirs(point, exist_ok=True)
        _mount("cgroup", point, fs, 0, opts or None)


def _ssh(spec, cfg, state):
    """sshd of a host, and what its root needs to log in to the others."""
    key = "/root/.ssh/id_ed25519"
    os.makedirs("/root/.ssh", mode=0o700, exist_ok=True)
    _write(key, cfg["key"], 0o600)
    hosts = ""
    known = ""
    for n, pub in cfg["host_pubs"].items():
        addr = [NET4 + str(HOSTS[n]["n"]), NET6 + "%x" % HOSTS[n]["n"]]
        known += "host%s,%s %s\n" % (n, ",".join(addr), pub)
        hosts += "%s host%s\n%s host%s\n" % (addr[0], n, addr[1], n)
    _write("/root/.ssh/known_hosts", known, 0o600)
    _write("/root/.ssh/config", "Host *\n\tBatchMode yes\n"
           "\tConnectTimeout 10\n", 0o600)
    with open("/etc/hosts", "a") as f:
        f.write(hosts)
    _write(state + "/host_key", cfg["host_keys"][spec["name"]], 0o600)
    _write(state + "/authorized_keys", cfg["pub"], 0o600)
    _write(state + "/sshd_config", """\
ListenAddress 0.0.0.0
ListenAddress ::
HostKey {0}/host_key
AuthorizedKeysFile {0}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
PrintMotd no
MaxStartups 100
SetEnv PATH={1} LANG=C.UTF-8 VPS_ID_POOL={2}{3}
""".format(state, PATH, spec["ids"], "".join(
        " %s=%s" % (k, os.environ[k]) for k in ("VPS_LOG", "ASAN_OPTIONS")
        if k in os.environ)))
    with open(os.devnull) as nul:
        subprocess.Popen(["/usr/sbin/sshd", "-D", "-f",
                          state + "/sshd_config", "-E", state + "/sshd.log"],
                         stdin=nul, start_new_session=True)
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((NET4 + str(spec["n"]), 22), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _ip(*lines):
    r = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n",
                       text=True, capture_output=True)
    if r.returncode:
        raise LabError("ip: " + r.stderr.strip())


def host_main(spec, cfg, lsock, up, down):
    """Runs as pid 1 of a host. up, down: pipes to and from the supervisor."""
    state = "/run/.host"
    mounts = cgroup_mounts()
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc")
    if not spec.get("client"):
        _private_dirs(spec["name"], state)
        _private_sys(mounts)
        _write("/proc/sys/kernel/ns_last_pid", "%d" % spec["pid"])
        socket.sethostname("host" + spec["name"])
    os.write(up, b"n")
    if os.read(down, 1) != b"g":
        os._exit(1)
    _ip("link set lo up",
        "addr add %s%d/24 dev eth0" % (NET4, spec["n"]),
        "addr add %s%x/64 dev eth0 nodad" % (NET6, spec["n"]),
        "link set eth0 up")
    if not spec.get("client"):
        _ssh(spec, cfg, state)
        os.makedirs("/etc/vps", mode=0o755, exist_ok=True)
    os.write(up, b"r")
    os.close(up)
    os.close(down)
    Agent(lsock).loop()


# ------------------------------------------------------------- supervisor

class Supervisor:
    def __init__(self, name, hosts):
        self.name = name
        self.dir = os.path.join(BASE, name)
        self.hosts = hosts
        self.pids = {}          # host -> pid 1, as seen here
        self.children = []      # pids of our own children

    def fork_host(self, n):
        spec = dict(HOSTS[n], name=n)
        path = os.path.join(self.dir, n)
        lsock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        lsock.bind(path)
        lsock.listen(64)
        groups = cgroups_create(self.name, n)
        up_r, up_w = os.pipe()
        down_r, down_w = os.pipe()
        mid = os.fork()
        if mid == 0:
            try:
                self._middle(spec, groups, lsock, up_r, up_w, down_r, down_w)
            except BaseException as e:      # pylint: disable=broad-except
                os.write(up_w, ("!%s: %s" % (n, e)).encode())
            finally:
                os._exit(1)
        self.children.append(mid)
        lsock.close()
        os.close(up_w)
        os.close(down_r)
        return up_r, down_w

    def _middle(self, spec, groups, lsock, up_r, up_w, down_r, down_w):
        _die_with_parent()
        os.close(up_r)
        os.close(down_w)
        os.setsid()
        for f in (0, 1, 2):
            os.dup2(os.open(os.devnull if f == 0 else
                            os.path.join(self.dir, spec["name"] + ".log"),
                            os.O_RDWR | os.O_CREAT | os.O_APPEND), f)
        for d, _ in groups:
            _write(os.path.join(d, "cgroup.procs"), "0")
        flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWUTS
        if not spec.get("client"):
            flags |= CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWTIME
        _unshare(flags)
        for d, fs in groups:
            if fs == "cgroup2":
                # Out of the way: a group with processes can't have
                # controllers for its children.
                _write(os.path.join(d, "host", "cgroup.procs"), "0")
                _cgroup_controllers(d)
        if "monotonic" in spec:
            _write("/proc/self/timens_offsets", "monotonic %d 0\n"
                   "boottime %d 0\n" % (spec["monotonic"],
                                        spec["boottime"]))
        pid = os.fork()
        if pid == 0:
            _die_with_parent()
            try:
                host_main(spec, self.cfg, lsock, up_w, down_r)
            except BaseException as e:      # pylint: disable=broad-except
                import traceback
                traceback.print_exc()
                os.write(up_w, ("!%s: %s" % (spec["name"], e)).encode())
            finally:
                os._exit(1)
        os.write(up_w, b"p%d\n" % pid)
        os.close(up_w)
        lsock.close()
        os.waitpid(pid, 0)
        os._exit(0)

    def fork_switch(self):
        rd, wr = os.pipe()
        pid = os.fork()
        if pid == 0:
            _die_with_parent()
            _unshare(CLONE_NEWNET | CLONE_NEWNS)
            os.write(wr, b"r")
            while True:
                signal.pause()
        os.close(wr)
        self.children.append(pid)
        os.read(rd, 1)
        os.close(rd)
        return pid

    @staticmethod
    def expect(fd, end=60.0):
        """Reads one message: n, r, pNUMBER\\n, or !reason."""
        if not select.select([fd], [], [], end)[0]:
            raise LabError("a host did not come up within %d s" % end)
        c = os.read(fd, 1)
        if c == b"!":
            raise LabError("host " + os.read(fd, 4096).decode())
        if c == b"p":
            num = b""
            while True:
                d = os.read(fd, 1)
                if d in (b"\n", b""):
                    return int(num)
                num += d
        if not c:
            raise LabError("a host died while it was set up")
        return c

    def keys(self):
        cfg = {"host_keys": {}, "host_pubs": {}}
        for n in list(self.hosts) + ["user"]:
            f = os.path.join(self.dir, "key")
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-C", "vps-tests", "-f", f], check=True)
            with open(f) as g:
                key = g.read()
            with open(f + ".pub") as g:
                pub = g.read().strip()
            if n == "user":
                cfg["key"], cfg["pub"] = key, pub + "\n"
                os.rename(f, os.path.join(self.dir, "id"))
                os.rename(f + ".pub", os.path.join(self.dir, "id.pub"))
            elif not HOSTS[n].get("client"):
                cfg["host_keys"][n] = key
                cfg["host_pubs"][n] = pub
            if n != "user":
                os.unlink(f)
                os.unlink(f + ".pub")
        return cfg

    def setup(self):
        self.cfg = self.keys()
        switch = self.fork_switch()
        pipes = {n: self.fork_host(n) for n in self.hosts}
        lines = ["link add br0 type bridge forward_delay 0 mcast_snooping 0",
                 "link set br0 up"]
        pid_first = {}
        for n, (up, _) in pipes.items():
            # The number and the note of pid 1 come in either order.
            got = {}
            while len(got) < 2:
                m = self.expect(up)
                got["pid" if isinstance(m, int) else "ns"] = m
            self.pids[n] = pid_first[n] = got["pid"]
            lines += ["link add p%s type veth peer name eth0 netns %d"
                      % (n, got["pid"]),
                      "link set p%s master br0 up" % n]
        r = subprocess.run(["nsenter", "-t", str(switch), "-n", "ip",
                            "-batch", "-"], input="\n".join(lines) + "\n",
                           text=True, capture_output=True)
        if r.returncode:
            raise LabError("network of the lab: " + r.stderr.strip())
        for n, (_, down) in pipes.items():
            os.write(down, b"g")
        for n, (up, down) in pipes.items():
            self.expect(up)
            os.close(up)
            os.close(down)
        _write(os.path.join(self.dir, "pids"), json.dumps(
            dict(self.pids, switch=switch)))

    def teardown(self):
        for pid in list(self.pids.values()) + self.children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in self.children:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass
        left = cgroups_remove(self.name)
        shutil.rmtree(self.dir, ignore_errors=True)
        return left


def _sweep():
    """Removes what killed supervisors have left."""
    if not os.path.isdir(BASE):
        return
    for n in os.listdir(BASE):
        d = os.path.join(BASE, n)
        try:
            with open(os.path.join(d, "lock")) as f:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                cgroups_remove(n)
                shutil.rmtree(d, ignore_errors=True)
        except OSError:
            continue


def supervise(name, hosts, detached):
    """The supervisor's main function. Says ok, or why not, on stdout."""
    stop = []
    os.makedirs(BASE, mode=0o700, exist_ok=True)
    _sweep()
    sup = Supervisor(name, hosts)
    try:
        os.mkdir(sup.dir, 0o700)
    except FileExistsError:
        print("!there is a lab named %s" % name, flush=True)
        return 1
    lock = open(os.path.join(sup.dir, "lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _write(os.path.join(sup.dir, "supervisor"), "%d\n" % os.getpid())
    rd, wr = os.pipe()
    os.set_blocking(wr, False)
    signal.set_wakeup_fd(wr)
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, lambda *a: stop.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    r = 0
    try:
        sup.setup()
        print("ok", flush=True)
        if detached:
            nul = os.open(os.devnull, os.O_RDWR)
            for f in (0, 1, 2):
                os.dup2(nul, f)
        fds = [rd] if detached else [rd, 0]
        while not stop:
            ready = select.select(fds, [], [])[0]
            if 0 in ready and not os.read(0, 1):
                break
            if rd in ready:
                os.read(rd, 64)
    except (LabError, OSError, subprocess.CalledProcessError) as e:
        log = ""
        for n in hosts:
            try:
                with open(os.path.join(sup.dir, n + ".log")) as f:
                    log += f.read()[-600:]
            except OSError:
                pass
        print("!%s %s" % (e, " | ".join(log.split("\n"))), flush=True)
        r = 1
    left = sup.teardown()
    if left:
        print("hosts: cannot remove " + " ".join(left), file=sys.stderr)
        r = 1
    return r


# ------------------------------------------------------------- for tests

class HostProc:
    """A process in a host: like subprocess.Popen, as far as tests need."""

    def __init__(self, host, argv, stdin, stdout, stderr, env, cwd):
        self.args = argv
        self.returncode = None
        self.stdin = self.stdout = self.stderr = None
        give, close = [], []
        names = ("stdin", "stdout", "stderr")
        for i, what in enumerate((stdin, stdout, stderr)):
            if what == subprocess.PIPE:
                r, w = os.pipe()
                mine, theirs = (w, r) if i == 0 else (r, w)
                setattr(self, names[i], os.fdopen(mine, "wb" if i == 0
                                                  else "rb"))
                close.append(theirs)
            elif what == subprocess.DEVNULL:
                theirs = os.open(os.devnull, os.O_RDWR)
                close.append(theirs)
            elif what == subprocess.STDOUT:
                theirs = give[1]
            elif what is None:
                theirs = i
            else:
                theirs = what if isinstance(what, int) else what.fileno()
            give.append(theirs)
        full = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8",
                "TERM": os.environ.get("TERM", "dumb"), "USER": "root"}
        for k, v in os.environ.items():
            if k.startswith(("VPS_", "ASAN_", "UBSAN_", "LSAN_")):
                full[k] = v
        full.update(host.env)
        full.update(env or {})
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(host.path)
        msg = json.dumps({"argv": list(argv), "env": full, "cwd": cwd})
        socket.send_fds(self.sock, [msg.encode()], give)
        for fd in close:
            os.close(fd)
        rep = self._recv(None)
        if rep is None or "pid" not in rep:
            raise LabError("host %s is gone" % host.name)
        self.pid = rep["pid"]       # as seen inside the host

    def _recv(self, timeout):
        if not select.select([self.sock], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout)
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            # It ended before it read our last word; its own comes behind.
            data = self.sock.recv(1 << 16)
        return json.loads(data) if data else None

    def fileno(self):
        """Readable when the process has ended."""
        return self.sock.fileno()

    def poll(self):
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout=None):
        if self.returncode is None:
            rep = self._recv(timeout)
            self.returncode = rep["status"] if rep else -signal.SIGKILL
            self.sock.close()
        return self.returncode

    def kill(self, sig=signal.SIGKILL):
        if self.returncode is None:
            try:
                self.sock.send(json.dumps({"kill": int(sig)}).encode())
            except OSError:
                pass

    def terminate(self):
        self.kill(signal.SIGTERM)

    def communicate(self, data=None, timeout=None):
        end = None if timeout is None else time.monotonic() + timeout
        out = {}
        if self.stdin:
            if data:
                self.stdin.write(data)
            self.stdin.close()
        want = [f for f in (self.stdout, self.stderr) if f]
        for f in want:
            out[f] = b""
        while want:
            t = None if end is None else max(0, end - time.monotonic())
            ready = select.select(want, [], [], t)[0]
            if not ready:
                raise subprocess.TimeoutExpired(self.args, timeout)
            for f in ready:
                d = os.read(f.fileno(), 65536)
                out[f] += d
                if not d:
                    want.remove(f)
        self.wait(None if end is None else max(0.01, end - time.monotonic()))
        return out.get(self.stdout), out.get(self.stderr)


class Host:
    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.path = os.path.join(lab.dir, name)
        spec = HOSTS[name]
        self.addr4 = NET4 + str(spec["n"])
        self.addr6 = NET6 + "%x" % spec["n"]
        self.env = {"VPS_ID_POOL": spec["ids"]} if "ids" in spec else {}
        self.hostname = "host" + name

    def popen(self, argv, stdin=subprocess.DEVNULL, stdout=None, stderr=None,
              env=None, cwd=None):
        return HostProc(self, argv, stdin, stdout, stderr, env, cwd)

    def run(self, argv, input=None, timeout=120, check=False, env=None,
            cwd=None, text=True):
        """Runs argv and waits. Gives a subprocess.CompletedProcess."""
        p = self.popen(argv, subprocess.PIPE if input is not None else
                       subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE,
                       env, cwd)
        if input is not None and isinstance(input, str):
            input = input.encode()
        try:
            out, err = p.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            raise
        if text:
            out, err = out.decode(errors="replace"), \
                err.decode(errors="replace")
        r = subprocess.CompletedProcess(argv, p.returncode, out, err)
        if check and r.returncode:
            raise LabError("host %s: `%s` ended with status %d: %s" % (
                self.name, " ".join(argv), r.returncode,
                (err if text else err.decode(errors="replace")).strip()))
        return r

    def sh(self, script, *args, **kw):
        kw.setdefault("check", True)
        return self.run(["sh", "-euc", script, "sh"] + list(args),
                        **kw).stdout


class Lab:
    def __init__(self, hosts=("a", "b", "c"), name=None):
        self.name = name or "l%d" % os.getpid()
        self.dir = os.path.join(BASE, self.name)
        self.names = list(hosts)
        self.hosts = {}
        self.sup = None

    def start(self, detached=False):
        # Not sys.executable: hosts have a /root of their own.
        argv = ["/usr/bin/python3", os.path.abspath(__file__), "--supervise", self.name,
                ",".join(self.names)] + (["--detached"] if detached else [])
        self.sup = subprocess.Popen(argv, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE,
                                    start_new_session=True)
        line = self.sup.stdout.readline().decode().strip()
        if line != "ok":
            self.sup.wait()
            raise LabError("cannot make the hosts: " +
                           (line[1:] or "see above"))
        return self.attach()

    def attach(self):
        self.hosts = {n: Host(self, n) for n in self.names
                      if os.path.exists(os.path.join(self.dir, n))}
        if not self.hosts:
            raise LabError("no lab named %s" % self.name)
        return self

    def stop(self):
        if self.sup:
            self.sup.stdin.close()
            r = self.sup.wait()
            self.sup.stdout.close()
            self.sup = None
            if r:
                raise LabError("the lab could not be cleaned up")
            return
        with open(os.path.join(self.dir, "supervisor")) as f:
            pid = int(f.read())
        os.kill(pid, signal.SIGTERM)
        while os.path.exists(self.dir):
            time.sleep(0.02)

    @property
    def key(self):
        """File with the private key that root's logins use."""
        return os.path.join(self.dir, "id")

    @property
    def pids(self):
        """Pid 1 of each host as seen on the machine, and of the switch."""
        with open(os.path.join(self.dir, "pids")) as f:
            return json.load(f)

    def __getitem__(self, n):
        return self.hosts[n]

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()


def main():
    if sys.argv[1:2] == ["--supervise"]:
        return supervise(sys.argv[2], sys.argv[3].split(","),
                         "--detached" in sys.argv)
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sub = ap.add_subparsers(dest="cmd", required=True)
    p = sub.add_parser("up")
    p.add_argument("name")
    p = sub.add_parser("down")
    p.add_argument("name")
    p = sub.add_parser("run")
    p.add_argument("name")
    p.add_argument("host")
    p.add_argument("argv", nargs=argparse.REMAINDER)
    p = sub.add_parser("with")
    p.add_argument("argv", nargs=argparse.REMAINDER)
    a = ap.parse_args()
    try:
        if a.cmd == "up":
            Lab(name=a.name).start(detached=True)
        elif a.cmd == "down":
            Lab(name=a.name).attach().stop()
        elif a.cmd == "run":
            lab = Lab(name=a.name).attach()
            r = lab[a.host].popen(a.argv, stdin=None,
                                  cwd=os.getcwd() if os.getcwd().startswith(
                                      REPO) else None).wait()
            return r if r >= 0 else 128 - r
        else:
            with Lab() as lab:
                return subprocess.run(a.argv, env=dict(
                    os.environ, VPS_LAB=lab.name)).returncode
    except LabError as e:
        print("hosts: %s" % e, file=sys.stderr)
        return 1
    except KeyError:
        print("hosts: no host named %s" % a.host, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
