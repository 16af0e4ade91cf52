#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The test hosts leave nothing behind, however they end."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hosts                                            # noqa: E402


def facts(lab):
    """What exists because of the lab: namespaces, loop device, pids."""
    f = {"ns": set(), "loop": set(), "pids": set(), "name": lab.name}
    own = {os.readlink("/proc/self/ns/" + n)
           for n in os.listdir("/proc/self/ns")}
    for pid in lab.pids.values():
        f["pids"].add(pid)
        for n in os.listdir("/proc/%d/ns" % pid):
            f["ns"].add(os.readlink("/proc/%d/ns/%s" % (pid, n)))
    f["ns"] -= own
    for h in ("a", "b"):
        dev = lab[h].sh("findmnt -no SOURCE /srv/vps").strip()
        if dev.startswith("/dev/loop"):
            f["loop"].add(os.path.basename(dev))
        else:       # findmnt shows the backing file: ask the kernel
            n = lab[h].sh("stat -c %d /srv/vps").strip()
            f["loop"].add("loop%d" % os.minor(int(n)))
    return f


def leaks(f, mounts):
    bad = []
    for pid in f["pids"]:
        if os.path.exists("/proc/%d" % pid):
            bad.append("process %d" % pid)
    for p in os.listdir("/proc"):
        if not p.isdigit():
            continue
        try:
            for n in os.listdir("/proc/%s/ns" % p):
                link = os.readlink("/proc/%s/ns/%s" % (p, n))
                if link in f["ns"]:
                    bad.append("%s held by %s" % (link, p))
        except OSError:
            continue
    for dev in f["loop"]:
        try:
            with open("/sys/block/%s/loop/backing_file" % dev) as g:
                back = g.read()
        except OSError:
            continue
        if "/run/.host/" in back and dev not in in_use_by_others():
            bad.append("%s: %s" % (dev, back.strip()))
    for point, _, _ in hosts.cgroup_mounts():
        top = os.path.join(point, "vps-tests-" + f["name"])
        if os.path.exists(top):
            bad.append(top)
    if os.path.exists(os.path.join(hosts.BASE, f["name"])):
        bad.append("state directory")
    now = own_mounts()
    if now != mounts:
        bad.append("mounts: %s" % (now ^ mounts))
    return bad


def in_use_by_others():
    """Loop devices that are mounted in some process's namespace."""
    used = set()
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                with open("/proc/%s/mountinfo" % p) as f:
                    for line in f:
                        dev = line.split()[2]
                        if dev.startswith("7:"):
                            used.add("loop" + dev[2:])
            except OSError:
                pass
    return used


def own_mounts():
    with open("/proc/self/mountinfo") as f:
        return {x.split()[4] for x in f}


def settle(f, mounts, what):
    """Namespaces and loop devices go a moment after their last user."""
    end = time.monotonic() + 5
    while True:
        bad = leaks(f, mounts)
        if not bad or time.monotonic() > end:
            break
        time.sleep(0.05)
    if bad:
        print("FAIL: %s: left behind: %s" % (what, "; ".join(bad)))
        sys.exit(1)
    print("ok: %s: nothing left behind" % what)


def busy(lab):
    """Things that would keep a host alive if they could."""
    lab["a"].sh("setsid sleep 1000 >/dev/null 2>&1 & mkdir -p /run/x; "
                "mount -t tmpfs x /run/x; unshare -n sleep 1000 "
                ">/dev/null 2>&1 & "
                "mkdir -p /sys/fs/cgroup/cpu/vps/x", timeout=20)
    return facts(lab)


def normal(mounts):
    with hosts.Lab() as lab:
        a, b = lab["a"], lab["b"]
        assert a.run(["hostname"]).stdout == "hosta\n"
        assert a.sh("ssh hostb hostname") == "hostb\n"
        assert b.sh("ssh hosta hostname") == "hosta\n"
        assert a.run(["sh", "-c", "exit 7"]).returncode == 7
        assert a.run(["cat"], input="x\n").stdout == "x\n"
        # Nothing that counts is shared.
        for path in ("/srv/vps", "/etc/vps", "/run/vps", "/root", "/tmp",
                     "/var/lib"):
            a.sh('mkdir -p "$1"; echo a >"$1/only-a"', path)
            r = b.run(["test", "-e", path + "/only-a"])
            assert r.returncode == 1, path
            assert not os.path.exists(path + "/only-a"), path
        for n in os.listdir("/proc/self/ns"):
            if n.endswith("_for_children") or n == "user":
                continue
            mine = os.readlink("/proc/self/ns/" + n)
            na = a.run(["readlink", "/proc/self/ns/" + n]).stdout.strip()
            nb = b.run(["readlink", "/proc/self/ns/" + n]).stdout.strip()
            assert len({mine, na, nb}) == 3, n
        ua = float(a.sh("cat /proc/uptime").split()[0])
        ub = float(b.sh("cat /proc/uptime").split()[0])
        assert ub - ua > 1000000
        p = a.popen(["sleep", "100"])
        p.kill(signal.SIGTERM)
        assert p.wait(5) == -signal.SIGTERM
        f = busy(lab)
    settle(f, mounts, "a normal end")


def raising(mounts):
    f = None
    try:
        with hosts.Lab() as lab:
            f = busy(lab)
            raise KeyError
    except KeyError:
        pass
    settle(f, mounts, "a failed test")


def killed(mounts, whom):
    """In a child, as the runner or the supervisor is killed by SIGKILL."""
    rd, wr = os.pipe()
    pid = os.fork()
    if pid == 0:
        lab = hosts.Lab().start()
        os.write(wr, (lab.name + "\n%d\n" % lab.sup.pid).encode())
        while True:
            signal.pause()
    os.close(wr)
    buf = b""
    while buf.count(b"\n") < 2:
        buf += os.read(rd, 100)
    name, sup = buf.decode().split()
    os.close(rd)
    f = busy(hosts.Lab(name=name).attach())
    if whom == "runner":
        os.kill(pid, signal.SIGKILL)
    else:
        os.kill(int(sup), signal.SIGKILL)
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        # What the kernel can't remove by itself, the next lab does.
        hosts.Lab(hosts=("c",), name=name + "n").start().stop()
    os.waitpid(pid, 0)
    settle(f, mounts, "the %s killed" % whom)


def main():
    if os.geteuid():
        print("needs root", file=sys.stderr)
        return 77
    mounts = own_mounts()
    normal(mounts)
    raising(mounts)
    killed(mounts, "runner")
    killed(mounts, "supervisor")
    r = subprocess.run([sys.executable, hosts.__file__, "with", "sh", "-c",
                        '"$0" run "$VPS_LAB" a hostname', hosts.__file__],
                       capture_output=True, text=True)
    assert r.stdout == "hosta\n", r
    print("ok: from a shell")
    return 0


if __name__ == "__main__":
    sys.exit(main())
