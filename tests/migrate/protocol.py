#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Breaks the protocol of a migration at each of its points, in each way.

usage: protocol.py TOY HELPER [POINT...]

After each attempt: exactly one side can run the instance, or the source says
that it is in doubt and --resolve settles it; and nothing is left behind that
keeps the next migration from working.
"""
import os
import shutil
import subprocess
import sys
import tempfile

TOY, HELPER = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


class Failed(Exception):
    pass


def toy(*args, fault=None, timeout=60):
    env = dict(os.environ, TOY_HELPER=HELPER)
    env.pop("VPS_FAULT", None)
    if fault:
        env["VPS_FAULT"] = fault
    r = subprocess.run([TOY, *args], env=env, timeout=timeout,
                       capture_output=True, text=True)
    return r.returncode, r.stdout.strip(), r.stderr.strip()


def setup(top):
    for host, base in (("a", 100000), ("b", 900000)):
        os.makedirs(f"{top}/{host}/fs")
        os.chown(f"{top}/{host}/fs", base, base)
    with open(f"{top}/a/fs/file", "w") as f:
        f.write("content")
    os.chown(f"{top}/a/fs/file", 100003, 100004)
    with open(f"{top}/a/x.state", "w") as f:
        f.write("running")
    with open(f"{top}/a/x.memory", "wb") as f:
        f.write(os.urandom(3 << 20) + b"END\n")


def wait_quiet(top):
    """Until no process works for these two hosts any more."""
    for _ in range(100):
        r = subprocess.run(["pgrep", "-f", top], capture_output=True,
                           text=True)
        pids = [p for p in r.stdout.split() if int(p) != os.getpid()]
        if not pids:
            return
        try:
            subprocess.run(["sleep", "0.1"], check=True)
        finally:
            pass
    raise Failed(f"still at work: {pids}")


def look(top):
    a = toy("recover", f"{top}/a", "x")[1].split()
    b = toy("recover", f"{top}/b", "x")[1].split()
    here = a[0] == "running"
    there = b[0] == "running"
    if here and there:
        raise Failed("runs at both")
    return here, there, a[1] == "doubt", a, b


def attempt(point, how, mode):
    fault = point if how == "fail" else f"{how}:{point}"
    top = tempfile.mkdtemp(prefix="mig-toy-")
    os.chmod(top, 0o755)
    try:
        setup(top)
        code, out, err = toy("source", f"{top}/a", "x", f"{top}/b", mode,
                             fault=fault)
        wait_quiet(top)
        here, there, doubt, a, b = look(top)
        if code == 0 and (here or not there):
            raise Failed(f"said moved: {a} {b}")
        if not here and not there and not doubt:
            raise Failed(f"runs nowhere, and nobody says so: {a} {b}")
        if doubt:
            rc, rout, rerr = toy("resolve", f"{top}/a", "x", f"{top}/b")
            wait_quiet(top)
            here, there, doubt, a, b = look(top)
            if doubt or here == there:
                raise Failed(f"not settled: {a} {b}: {rout} {rerr}")
        if here:
            code2, out2, err2 = toy("source", f"{top}/a", "x", f"{top}/b",
                                    mode)
            if code2 != 0:
                raise Failed(f"the next one failed: {out2} {err2}")
        with open(f"{top}/a/x.memory", "rb") as f, \
                open(f"{top}/b/x.memory", "rb") as g:
            if f.read() != g.read():
                raise Failed("memory differs")
        if mode != "norsync":
            st = os.stat(f"{top}/b/fs/file")
            if (st.st_uid, st.st_gid) != (900003, 900004):
                raise Failed(f"owner {st.st_uid}")
        return code == 0
    except (Failed, subprocess.TimeoutExpired) as e:
        raise Failed(f"{fault} ({mode}): {e}; {locals().get('out')} "
                     f"{locals().get('err')}") from e
    finally:
        shutil.rmtree(top, ignore_errors=True)


def main():
    if os.geteuid() != 0:
        print("must be root", file=sys.stderr)
        return 77
    points = sys.argv[3:] or sorted(set(toy("points")[1].split()))
    bad = done = 0
    try:
        if not attempt("none", "fail", "tworsync"):
            raise Failed("a plain migration failed")
        done += 1
    except Failed as e:
        print(f"FAILED {e}", flush=True)
        return 1
    for point in points:
        for how in ("fail", "kill"):
            mode = "onersync" if "pass" in point else "norsync"
            if point.endswith("pass1"):
                mode = "tworsync"
            try:
                attempt(point, how, mode)
                done += 1
            except Failed as e:
                bad += 1
                print(f"FAILED {e}", flush=True)
    print(f"{done} attempts as they should be, {bad} not", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
