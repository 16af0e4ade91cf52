#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the names of all system calls as a C list, from the kernel's header.

usage: gen_syscalls.py OUT CC [ARG]...
"""
import re
import subprocess
import sys


def main():
    out, cc = sys.argv[1], sys.argv[2:]
    text = subprocess.run(cc + ["-dM", "-E", "-x", "c", "-"],
                          input="#include <asm/unistd.h>\n", text=True,
                          capture_output=True, check=True).stdout
    names = sorted(re.findall(r"^#define __NR_([a-z0-9_]+) \d+$", text, re.M))
    if "openat2" not in names:
        sys.exit("gen_syscalls.py: <asm/unistd.h> has no openat2")
    with open(out, "w", encoding="ascii") as f:
        f.write("/* Made by tools/gen_syscalls.py. */\n#pragma once\n"
                "#define CONF_SYSCALLS \\\n")
        f.write(", \\\n".join('\t"%s"' % n for n in names) + "\n")


main()
