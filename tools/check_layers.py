#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks that a file of src/ includes only what its layer may.

usage: check_layers.py [ROOT]

The table is the one in docs/ARCHITECTURE.md, section Layers, so that it can't
differ from what people read.
"""
import pathlib
import re
import sys

ROW = re.compile(r"^\| ((?:`[a-z]+`(?:, )?)+) \| ([a-z -]+) \|")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z]+)/')


def table(root):
    text = (root / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split("\n## Layers\n")[1].split("\n## ")[0]
    allow, seen = {}, []
    for line in section.splitlines():
        m = ROW.match(line)
        if not m:
            continue
        names = re.findall(r"[a-z]+", m[1])
        may = seen[:] if m[2] == "all above" else m[2].replace("-", "").split()
        for name in names:
            allow[name] = set(may) | {name}
        seen += names
    return allow


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    allow, bad, files = table(root), 0, 0
    if len(allow) < 10:
        sys.exit("check_layers.py: the table in docs/ARCHITECTURE.md is gone")
    for f in sorted((root / "src").rglob("*.[chd]*")):
        me = f.relative_to(root / "src").parts[0]
        if f.suffix not in (".c", ".h", ".def"):
            continue
        files += 1
        if me not in allow:
            print("%s: no layer %s in docs/ARCHITECTURE.md" % (f, me))
            bad += 1
            continue
        text = f.read_text(encoding="utf-8").splitlines()
        for n, line in enumerate(text, 1):
            m = INCLUDE.match(line)
            if m and m[1] not in allow[me] and (root / "src" / m[1]).is_dir():
                print("%s:%d: %s may not include %s" % (f, n, me, m[1]))
                bad += 1
    print("%d files, %d not as the table says" % (files, bad))
    return bad > 0 or files == 0


sys.exit(main())
