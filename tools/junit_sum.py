#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sums what `meson test` recorded; the last line is
`N passed, N failed, N skipped`.

usage: junit_sum.py LOGBASE...      (as in build/meson-logs/testlog)

Fails if anything failed or nothing passed. The JUnit file counts the parts of
TAP tests, but says nothing of a test that ran into its time limit or of a TAP
program that died before its first line: the JSON log has those.
"""
import json
import sys
import xml.etree.ElementTree as ET

GOOD = {"OK", "EXPECTEDFAIL"}


def skipped(run, cases):
    """Whether a SKIP is one; meson says so of a plan without tests, too."""
    return run["returncode"] == 77 or "1..0" in (run["stdout"] or "") or cases


def parts(junit):
    """{test name: [(case, 'passed'|'failed'|'skipped')]} of TAP tests."""
    ret = {}
    for suite in ET.parse(junit).iter("testsuite"):
        project, dot, name = suite.get("name").partition(".")
        if not dot:
            continue
        for case in suite.iter("testcase"):
            tags = {c.tag for c in case}
            how = "passed"
            if tags & {"failure", "error"}:
                how = "failed"
            elif "skipped" in tags:
                how = "skipped"
            ret.setdefault(name, []).append((case.get("name"), how))
    return ret


def main():
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for base in sys.argv[1:]:
        sub = parts(base + ".junit.xml")
        with open(base + ".json", encoding="utf-8") as f:
            runs = [json.loads(line) for line in f]
        for run in runs:
            name = run["name"]
            res = run["result"]
            cases = sub.get(name, [])
            good = res in GOOD or (res == "SKIP" and skipped(run, cases))
            if not good and all(how != "failed" for _, how in cases):
                cases = cases + [(res, "failed")]
            if not cases:
                cases = [("", "skipped" if res == "SKIP" else "passed")]
            for case, how in cases:
                count[how] += 1
                if how != "passed":
                    print("%s: %s %s" % (how, name, case))
                if how == "skipped" and not case and run.get("stderr"):
                    print("    " + run["stderr"].strip().split("\n")[-1])
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % count)
    return count["failed"] > 0 or count["passed"] == 0


sys.exit(main())
