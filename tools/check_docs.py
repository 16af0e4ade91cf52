#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks that the manual pages have every command, option, key and record.

usage: check_docs.py [ROOT]
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
bad = 0


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def need(page, pattern, what):
    global bad
    if not re.search(pattern, text(page), re.M):
        print("%s: lacks %s" % (page, what))
        bad += 1


def commands():
    src = text("src/vpsctl/commands.c")
    table = src.split("ctl_cmds[] = {")[1].split("{0}")[0]
    found = re.findall(r'\{"([a-z]+)",\s*"[^"]*",', table)
    for name in found:
        need("man/vpsctl.8", r"^\.It Ic %s\b" % name, "the command " + name)
    return len(found)


def options():
    src = text("src/vpsctl/commands.c")
    table = src.split("ctl_optdescs[] = {")[1].split("{0}")[0]
    found = re.findall(r'\{OPT_[A-Z_]+, "([a-z-]+)", \'(.)\'', table)
    for name, letter in found:
        need("man/vpsctl.8",
             r"Fl %s\b.*Fl -%s\b" % (letter, name.replace("-", r"\-")),
             "the option -%s, --%s" % (letter, name))
    return len(found)


def keys():
    found = re.findall(r'^KEY\("([A-Z_#]+)"', text("src/conf/keys.def"), re.M)
    for name in found:
        # A '#' is the number of an interface: NETIF_ Ns Ar n Ns Ic _ADDRESS
        shown = name.replace("#", r" Ns Ar n Ns Ic ")
        need("man/vps.conf.5", r"^\.It Ic %s\b" % shown, "the key " + name)
    return len(found)


def statuses():
    src = text("src/vpsctl/ctl.h")
    found = re.findall(r"\bCTL_[A-Z_]+ = (\d+),", src)
    for n in found:
        need("man/vpsctl.8", r"^\.It %s$" % n, "the exit status " + n)
    return len(found)


counts = (commands(), options(), keys(), statuses())
print("%d commands, %d options, %d keys, %d exit statuses; %d missing" %
      (counts + (bad,)))
if min(counts) == 0:
    sys.exit("check_docs.py: found nothing in a table; has its form changed?")
sys.exit(bad > 0)
