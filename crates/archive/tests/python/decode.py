#!/usr/bin/env python3
"""Reads documents from the folders of an archive's storage nodes alone, as docs/FORMAT.md says, with Python's standard library.

    decode.py NODES                      decode every document, say which are whole
    decode.py NODES -o FOLDER            the same, and write each as FOLDER/<identifier>
    decode.py NODES --list               what the blocks say of the documents, a JSON object a line
    decode.py NODES NAME [-o FILE]       write one document, given by its name or identifier

NODES holds a folder for each node. Exits with 1 if a document that was asked for cannot be decoded.
"""

import argparse
import functools
import json
import os
import struct
import sys
from collections import namedtuple

from blake3 import blake3

# --- The header: chapter 2 of docs/FORMAT.md --------------------------------------------------------------------------

MAGIC, VERSION, ALIGNMENT, HEADER_MAX = b"SELVAGE\x1a", 1, 64, 16 * 1024
FLAG_ENDING = 1

Key = namedtuple("Key", "document segment parity")
Ending = namedtuple("Ending", "length hash segments created content_type user_metadata")
Header = namedtuple("Header", "archive document name code segment parity block_length segment_length segment_offset "
                              "payload_hash segment_hash pointers ending")


class Invalid(Exception):
    """What was read is not what the format says."""


def check(holds, complaint):
    if not holds:
        raise Invalid(complaint)


class Fields:
    """Takes little-endian fields off the front of bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, length):
        check(self.at + length <= len(self.data), "the header ends in a field")
        self.at += length
        return self.data[self.at - length:self.at]

    def take(self, layout):
        return struct.unpack("<" + layout, self.bytes(struct.calcsize("<" + layout)))

    def text(self):
        (length,) = self.take("H")
        try:
            return self.bytes(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Invalid("a text is not UTF-8") from error


def parse_block(block):
    """The header of a block, and its payload, which is not verified yet."""
    check(len(block) >= 16 and block[:8] == MAGIC, "not a block")
    version, flags, length = struct.unpack("<HHI", block[8:16])
    check(version == VERSION and flags & ~FLAG_ENDING == 0, f"version {version}, flags {flags:#x}")
    check(length % ALIGNMENT == 0 and length <= min(HEADER_MAX, len(block)), f"a header of {length} bytes")
    check(blake3(block[:length - 32]) == block[length - 32:length], "the header does not match its hash")
    fields = Fields(block[:length - 32])
    _, archive, document = fields.take("16s16s16s")
    segment, parity, s, t, p, block_length, segment_length, segment_offset = fields.take("I4B3Q")
    check(1 <= s <= p and s + t + p <= 256, "an impossible code")
    check(parity < p, "an impossible parity")
    check(block_length & (block_length - 1) == 0 and 64 <= block_length <= 1 << 26, "an impossible block length")
    check(1 <= segment_length <= s * block_length, "an impossible segment length")
    check((segment == 0) == (segment_offset == 0), "an impossible segment offset")
    payload_hash, segment_hash, name = fields.bytes(32), fields.bytes(32), fields.text()
    check(0 < len(name.encode()) <= 1024 and not any(c < " " or "\x7f" <= c <= "\x9f" for c in name), "an impossible name")
    pointers = [parse_pointer(fields) for _ in range(t)]
    ending = parse_ending(fields) if flags & FLAG_ENDING else None
    padding = fields.data[fields.at:]
    check(len(padding) < ALIGNMENT and not any(padding), "what follows the fields is not padding")
    check(len(block) == length + block_length, "the payload is not as long as a block")
    if ending:
        check(ending.segments == segment + 1 and ending.length == segment_offset + segment_length, "an impossible ending")
        check(segment > 0 or ending.hash == segment_hash, "the only segment's hash is not the document's")
    return Header(archive, document, name, (s, t, p), segment, parity, block_length, segment_length, segment_offset,
                  payload_hash, segment_hash, pointers, ending), block[length:]


def parse_pointer(fields):
    """The number of an anchor, or the key of a block."""
    kind, number, segment, document = fields.take("BBI16s")
    check(kind == 1 or (kind == 0 and segment == 0 and not any(document)), "an impossible pointer")
    return Key(document, segment, number) if kind else number


def parse_ending(fields):
    length, document_hash, segments, created = fields.take("Q32sIq")
    content_type = fields.text()
    (entries,) = fields.take("H")
    user_metadata = [[fields.text(), fields.text()] for _ in range(entries)]
    texts = sum(len(text.encode()) for entry in user_metadata for text in entry)
    check(len(content_type.encode()) <= 255 and entries <= 64 and texts <= 4096, "an ending with too much in it")
    return Ending(length, document_hash, segments, created, content_type or None, user_metadata)


# --- The code and the anchors: chapters 4 and 5 -----------------------------------------------------------------------

EXP = [1]
while len(EXP) < 510:
    EXP.append(EXP[-1] << 1 ^ (0x11D if EXP[-1] & 0x80 else 0))
LOG = {EXP[i]: i for i in range(255)}


def mul(a, b):
    return EXP[LOG[a] + LOG[b]] if a and b else 0


def inverse(matrix):
    """Gauss-Jordan; the matrix must be invertible."""
    n = len(matrix)
    rows = [list(row) + [int(i == j) for j in range(n)] for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        scale = EXP[255 - LOG[rows[i][i]]]
        rows[i] = [mul(scale, cell) for cell in rows[i]]
        for r in range(n):
            if r != i and rows[r][i]:
                rows[r] = [cell ^ mul(rows[r][i], pivot) for cell, pivot in zip(rows[r], rows[i])]
    return [row[n:] for row in rows]


def power(element, exponent):
    return EXP[LOG[element] * exponent % 255] if element else int(exponent == 0)


@functools.lru_cache(maxsize=None)
def generator(k, p):
    """The p rows that make parities of k blocks."""
    top = inverse([[power(r, c) for c in range(k)] for r in range(k)])
    rows = []
    for r in range(k, k + p):
        row = [0] * k
        for c in range(k):
            row = [cell ^ mul(power(r, c), other) for cell, other in zip(row, top[c])]
        rows.append(row)
    return rows


TIMES = [bytes(mul(factor, byte) for byte in range(256)) for factor in range(256)]


def combine(factors, blocks):
    """The sum of the blocks, each times its factor."""
    total = 0
    for factor, block in zip(factors, blocks):
        total ^= int.from_bytes(block.translate(TIMES[factor]), "little")
    return total.to_bytes(len(blocks[0]), "little")


def complete(code, symbols):
    """All blocks of a codeword: sources, pointers, parities. `symbols` has the pointers and parities, None where
    they are missing. None if too many are."""
    s, t, p = code
    k = s + t
    rows = generator(k, p)
    word = [None] * s + list(symbols)
    known = [i for i in range(k) if word[i] is not None]
    unknown = [i for i in range(k) if word[i] is None]
    chosen = [r for r in range(p) if word[k + r] is not None][:len(unknown)]
    if len(chosen) < len(unknown):
        return None
    # Row r: the unknown blocks, each times its factor, sum to the parity plus the known ones times theirs.
    right = [combine([1] + [rows[r][i] for i in known], [word[k + r]] + [word[i] for i in known]) for r in chosen]
    solution = inverse([[rows[r][i] for i in unknown] for r in chosen])
    for i, factors in zip(unknown, solution):
        word[i] = combine(factors, right)
    for r in range(p):
        if word[k + r] is None:
            word[k + r] = combine(rows[r], word[:k])
    return word


def anchor(archive, block_length, number):
    return blake3(b"selvage anchor 1" + archive + struct.pack("<QQ", block_length, number), block_length)


# --- The archive: chapters 1, 3, 6 and 7 ------------------------------------------------------------------------------

def complain(text):
    print(text, file=sys.stderr)


class Archive:
    def __init__(self, nodes):
        self.files = {}      # key: files of its copies
        self.codewords = {}  # (document, segment): the header of one of its blocks
        self.blocks = {}     # key: verified or recovered payload, or None
        self.peeled = False
        for folder, _, names in sorted(os.walk(nodes)):
            if os.path.basename(os.path.dirname(folder)) == "blocks":
                for name in sorted(names):
                    self.scan(os.path.join(folder, name))
        check(len({header.archive for header in self.codewords.values()}) <= 1, "blocks of several archives")

    def scan(self, path):
        try:
            with open(path, "rb") as file:
                header, _ = parse_block(file.read())
            name = f"{header.document.hex()}.{header.segment:08x}.{header.parity:02x}"
            check(os.path.basename(path) == name, f"is the block {name}")
            same = self.codewords.setdefault((header.document, header.segment), header)
            check(same._replace(parity=0, payload_hash=b"") == header._replace(parity=0, payload_hash=b""),
                  "says other things than another block of its codeword")
            self.files.setdefault(Key(header.document, header.segment, header.parity), []).append(path)
        except (Invalid, OSError) as error:
            complain(f"{path}: {error}")

    def block(self, key):
        """The payload of a block, None if no copy is good and it has not been recovered."""
        if key not in self.blocks:
            self.blocks[key] = None
            for path in self.files.get(key, ()):
                with open(path, "rb") as file:
                    header, payload = parse_block(file.read())
                if blake3(payload) == header.payload_hash:
                    self.blocks[key] = payload
                    break
                complain(f"{path}: the payload does not match its hash")
        return self.blocks[key]

    def keys(self, header):
        """What the symbols of a codeword are: its pointers and its parities."""
        parities = range(header.code[2])
        return header.pointers + [Key(header.document, header.segment, parity) for parity in parities]

    def symbol(self, header, key):
        if isinstance(key, int):
            return anchor(header.archive, header.block_length, key)
        block = self.block(key)
        return block if block is not None and len(block) == header.block_length else None

    def solve(self, header):
        """The blocks of a codeword, verified; None if too few are there."""
        word = complete(header.code, [self.symbol(header, key) for key in self.keys(header)])
        if word is not None and blake3(self.plain(header, word)) != header.segment_hash:
            complain(f"{header.name}: segment {header.segment} does not match its hash")
            return None
        return word

    @staticmethod
    def plain(header, word):
        return b"".join(word[:header.code[0]])[:header.segment_length]

    def peel(self):
        """Recovers what blocks can be, codeword by codeword, until nothing changes."""
        self.peeled, changed = True, True
        while changed:
            changed = False
            for header in self.codewords.values():
                keys = self.keys(header)
                missing = [i for i, key in enumerate(keys) if not isinstance(key, int) and self.block(key) is None]
                word = self.solve(header) if missing else None
                for i in missing if word else ():
                    self.blocks[keys[i]] = word[header.code[0] + i]
                    changed = True

    def documents(self):
        """The headers with the endings of all documents, those to be preferred under their name first."""
        pointed = {key.document for header in self.codewords.values() for key in header.pointers
                   if not isinstance(key, int)}
        last = [header for header in self.codewords.values() if header.ending]
        return sorted(last, key=lambda header: (header.name, header.document not in pointed, header.ending.created))

    def decode(self, last):
        """The bytes of the document whose last segment has this header."""
        document = b""
        for segment in range(last.ending.segments):
            header = self.codewords.get((last.document, segment))
            check(header, f"no block of segment {segment} is left")
            check((header.archive, header.name, header.code) == (last.archive, last.name, last.code)
                  and header.segment_offset == len(document) and bool(header.ending) == (segment == last.segment),
                  f"segment {segment} does not fit the others")
            word = self.solve(header)
            if word is None and not self.peeled:
                self.peel()
                word = self.solve(header)
            check(word, f"too few blocks of segment {segment} are left")
            document += self.plain(header, word)
        check(blake3(document) == last.ending.hash, "the document does not match its hash")
        return document


def describe(last):
    ending = last.ending._asdict()
    ending["blake3"] = ending.pop("hash").hex()
    return json.dumps({"name": last.name, "id": last.document.hex(), **ending}, ensure_ascii=False)


def write(path, data):
    with open(path or sys.stdout.fileno(), "wb", closefd=bool(path)) as file:
        file.write(data)


def decode_all(archive, folder):
    lost = 0
    for last in archive.documents():
        try:
            document = archive.decode(last)
            if folder:
                write(os.path.join(folder, last.document.hex()), document)
            print(f"whole {last.document.hex()} {last.name}")
        except Invalid as error:
            lost += 1
            print(f"lost {last.document.hex()} {last.name}: {error}")
    return lost


def main():
    parser = argparse.ArgumentParser(description="Decodes documents from the folders of storage nodes.")
    parser.add_argument("nodes")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("-o", "--output")
    options = parser.parse_args()
    sys.stdout.reconfigure(encoding="utf-8")
    archive = Archive(options.nodes)
    if options.list:
        for last in archive.documents():
            print(describe(last))
        return 0
    if options.name is None:
        return int(decode_all(archive, options.output) > 0)
    for last in archive.documents():
        if options.name in (last.name, last.document.hex()):
            try:
                write(options.output, archive.decode(last))
                return 0
            except Invalid as error:
                complain(f"{last.document.hex()} {last.name}: {error}")
    complain(f"{options.name}: not decoded")
    return 1


if __name__ == "__main__":
    sys.exit(main())
