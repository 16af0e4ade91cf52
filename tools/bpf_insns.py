#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints the instructions of one section of a BPF object as a C array.

usage: bpf_insns.py OBJECT SECTION NAME

The programs here need no relocation (what the loader has to fill in is marked
in the code), so that neither libbpf nor an ELF reader is needed at run time.
"""
import struct
import sys


def section(elf, want):
    shoff, = struct.unpack_from("<Q", elf, 40)
    entsize, num, stridx = struct.unpack_from("<HHH", elf, 58)
    heads = [struct.unpack_from("<IIQQQQIIQQ", elf, shoff + i * entsize)
             for i in range(num)]
    names = heads[stridx][4]
    found = None
    for h in heads:
        at = names + h[0]
        name = elf[at:elf.index(b"\0", at)].decode()
        if name == want:
            found = elf[h[4]:h[4] + h[5]]
        elif name == ".rel" + want and h[5] > 0:
            sys.exit(f"bpf_insns: section {want} needs relocation")
    if not found:
        sys.exit(f"bpf_insns: no section {want}")
    return found


def main():
    path, want, name = sys.argv[1:]
    with open(path, "rb") as f:
        elf = f.read()
    if elf[:4] != b"\x7fELF" or elf[18:20] != b"\xf7\x00":
        sys.exit(f"bpf_insns: {path} isn't a BPF object")
    code = section(elf, want)
    print("/* Generated. */")
    print(f"static const uint64_t {name}[] = {{")
    for (insn,) in struct.iter_unpack("<Q", code):
        print(f"\t0x{insn:016x},")
    print("};")


main()
