#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Moves a small instance between two hosts: a program that counts into a file,
and another that does through a shared mapping and checks what it stored.

usage: move.py [-v]
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
import hosts                                            # noqa: E402

ID = "mover"
ROOT = "/srv/vps/" + ID
MAPPER = os.path.join(hosts.BUILD, "tests/migrate/mapper")
VERBOSE = "-v" in sys.argv
CONF = f"""NAME = '{ID}'
FSROOT = '{ROOT}'
NETIF_0_ADDRESS = '10.77.0.50'
INIT = '/bin/busybox sh /counter'
"""
COUNTER = """/mapper >/dev/null 2>&1 </dev/null &
exec </dev/null >/dev/null 2>&1
i=0
while :; do i=$((i+1)); echo $i >/count; /bin/busybox usleep 20000; done
"""


class Failed(Exception):
    pass


def vpsctl(host, *words, fail=False, env=None):
    t = time.monotonic()
    r = host.run(["vpsctl", *words], timeout=90, env=env)
    if VERBOSE:
        print(f"  {host.name}: vpsctl {' '.join(words)}: {r.returncode} "
              f"({(time.monotonic() - t) * 1000:.0f} ms) "
              f"{(r.stdout + r.stderr).strip()}", flush=True)
    if (r.returncode != 0) != fail:
        raise Failed(f"vpsctl {' '.join(words)} on {host.name}: "
                     f"{r.returncode} {r.stderr.strip()}")
    return r.stdout + r.stderr


def prepare(host):
    host.sh('mkdir -p "$1/bin" "$1/dev" "$1/proc" "$1/sys" "$1/tmp" '
            '"$1/etc"; chmod 755 "$1"; chmod 1777 "$1/tmp"; '
            'cp /bin/busybox "$1/bin/"; cat >"$1/counter"', ROOT,
            input=COUNTER)
    host.sh('cp "$1" "$2/mapper"', MAPPER, ROOT)
    host.sh('mkdir -p /etc/vps; cat >"/etc/vps/vps_$1.conf"', ID, input=CONF)


def count(host):
    return int(host.sh(f"cat {ROOT}/count 2>/dev/null || echo 0").strip() or 0)


def counts(host, seconds=5):
    end = time.monotonic() + seconds
    first = count(host)
    while time.monotonic() < end:
        if count(host) > first:
            return count(host)
        time.sleep(0.05)
    raise Failed(f"it doesn't count on {host.name}")


def here(host):
    return ID in host.run(["vpsctl", "list"]).stdout


def move(a, b):
    n = counts(a)
    vpsctl(a, "migrate", ID, b.hostname)
    if here(a) or not here(b):
        raise Failed("it isn't where it should be")
    m = counts(b)
    if b.sh(f"cat {ROOT}/mapped.bad 2>/dev/null || true"):
        raise Failed("a shared mapping has lost what was stored")
    if not b.sh(f"cat {ROOT}/mapped").strip("\0"):
        raise Failed("the mapping's file is empty")
    if m <= n:
        raise Failed(f"counted {n} before, {m} after")


def kill(a, b):
    """Kills the command on the way; what it left, the next one puts right."""
    for point in ("after-pass1", "after-suspend", "send-image", "journal-"
                  "committed", "send-commit"):
        fault = "kill:mig-source-" + point
        a.run(["vpsctl", "migrate", ID, b.hostname], timeout=60,
              env={"VPS_FAULT": fault})
        doubt = "in doubt" in vpsctl(a, "resume", ID, fail=True)
        if doubt != (point == "send-commit"):
            raise Failed(f"{fault}: in doubt: {doubt}")
        for words in ("list",), ("show", ID), ("show", "--json", ID):
            if ("in doubt: " in vpsctl(a, *words)) != doubt:
                raise Failed(f"{fault}: {words[0]} doesn't tell")
        if doubt:
            # The other side may still be about to notice.
            for _ in range(50):
                if "/vps-recv" not in b.sh("cat /proc/[0-9]*/cmdline "
                                           "2>/dev/null | tr '\\0' ' '"):
                    break
                time.sleep(0.1)
            vpsctl(a, "migrate", "--resolve", ID)
        counts(a)
        if here(b):
            raise Failed(f"{fault}: left behind on b")


def main():
    if os.geteuid() != 0:
        print("must be root", file=sys.stderr)
        return 77
    try:
        with hosts.Lab() as lab:
            a, b = lab["a"], lab["b"]
            prepare(a)
            vpsctl(a, "start", ID)
            kill(a, b)
            move(a, b)
            move(b, a)
            vpsctl(a, "migrate", ID, "nosuchhost", fail=True)
            counts(a)
            vpsctl(a, "migrate", "--ssh", "/bin/false", ID, "hostb",
                   fail=True)
            counts(a)
            if here(b):
                raise Failed("left behind on b")
            move(a, b)
            out = vpsctl(a, "start", ID, fail=True)
            if "moved to hostb" not in out:
                raise Failed(f"start after a move says: {out}")
            vpsctl(b, "stop", ID)
    except Failed as e:
        print(f"FAILED {e}")
        return 1
    print("moved there and back and there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
