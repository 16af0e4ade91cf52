#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Puts the tables of record types into vps-image(5).

usage: gen_image_man.py TEMPLATE TYPES_DIR >PAGE

TYPES_DIR has all.def, which says in which order the other ones come.
"""
import pathlib
import re
import sys

ROW = re.compile(r'^VD_([A-Z0-9]+)\((\w+), ((?:0x)?[0-9a-f]+), (.*)\)$')
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def rows(folder):
    for name in re.findall(r'include "libdump/types/(\w+\.def)"',
                           (folder / "all.def").read_text(encoding="utf-8")):
        text = (folder / name).read_text(encoding="utf-8")
        # a row may be on several lines, a help text in several strings
        text = re.sub(r"\n[ \t]+", " ", text).replace('" "', "")
        for line in text.splitlines():
            line = line.strip().rstrip(";")
            if not line.startswith("VD_") or line.startswith("VD_END"):
                continue
            m = ROW.match(line)
            if m is None:
                sys.exit("%s: not understood: %s" % (name, line))
            yield m.groups()


def plain(text):
    """Nothing that mdoc would take for its own."""
    text = text.replace("\\", "\\e")
    return "\\&" + text if text[:1] in (".", "'") else text


def main():
    template = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    out, inside = [], False
    for kind, typ, number, rest in rows(pathlib.Path(sys.argv[2])):
        text = STRING.findall(rest)[-1]
        if kind == "BEGIN":
            if inside:
                out.append(".El")
            out.append(".Ss %s" % typ)
            out.append("Number %s: %s." % (number, plain(text)))
            out.append('.Bl -column "00" "longest_name" "LIST of name" "x"')
            inside = True
            continue
        args = [a.strip() for a in rest.split('"')[0].split(",") if a.strip()]
        if kind == "LIST":
            kind = "LIST of " + args.pop(0)
        out.append(".It %s Ta Va %s Ta %s Ta %s" %
                   (number, args[0], kind, plain(text)))
    if not inside:
        sys.exit("gen_image_man.py: no types found")
    out.append(".El")
    print(template.replace('.\\" @TYPES@', "\n".join(out)), end="")


main()
