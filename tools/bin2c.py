#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""usage: bin2c.py FILE NAME: a C array of the bytes of FILE, on stdout."""
import sys

data = open(sys.argv[1], "rb").read()
print("static const unsigned char %s[%d] = {" % (sys.argv[2], len(data)))
for i in range(0, len(data), 16):
    print("".join("%d," % b for b in data[i:i + 16]))
print("};")
