#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs /vm/tests.json inside the machine that tests/vm/run boots.

For each test, it says on the console what became of it:

    @vm test {"name": ..., "passed": N, "failed": N, "skipped": N, "s": N}

and before it all that the test wrote.
"""
import json
import os
import re
import signal
import subprocess
import sys
import time


def run(t):
    env = dict(os.environ, **t["env"])
    start = time.monotonic()
    with subprocess.Popen(t["cmd"], stdin=subprocess.DEVNULL, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          cwd=t["cwd"], start_new_session=True) as p:
        try:
            out, _ = p.communicate(timeout=t["timeout"])
            st = p.returncode
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGTERM)
            try:
                out, _ = p.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                out = b""
            out += b"\ntook longer than %d s\n" % t["timeout"]
            st = 1
    out = out.decode(errors="replace")
    r = {"name": t["name"], "passed": 0, "failed": 0, "skipped": 0,
         "s": round(time.monotonic() - start, 1)}
    sums = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$",
                      out, re.M)
    if t.get("sums") and sums and st in (0, 1):
        for k, n in zip(("passed", "failed", "skipped"), sums[-1]):
            r[k] = int(n or 0)
        if st and not r["failed"]:
            r["failed"] = 1
    else:
        r["passed" if st == 0 else "skipped" if st == 77 else "failed"] = 1
        if st not in (0, 1, 77):
            out += "\nstatus %d\n" % st
    print("\n@vm begin " + t["name"])
    print(out)
    print("@vm test " + json.dumps(r))
    sys.stdout.flush()


def main():
    with open("/vm/tests.json") as f:
        for t in json.load(f):
            run(t)


if __name__ == "__main__":
    main()
