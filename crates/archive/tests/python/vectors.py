#!/usr/bin/env python3
"""Computes the vectors of crates/archive/tests/data/archive-v1/vectors.json anew: `vectors.py FILE`. Exits with 1 if one differs."""

import json
import sys
import uuid

from blake3 import blake3
from decode import anchor, complete


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors["codewords"]:
        s, t, p = vector["s"], vector["t"], vector["p"]
        data = [bytes((j * j + 17 * i + 1) % 256 for j in range(64)) for i in range(s + t)]
        # All of the symbols but the parities are there, sources as if they were pointers.
        parities = complete((0, s + t, p), data + [None] * p)[s + t:]
        assert [parity.hex() for parity in parities][:7] == vector["parities"], (s, t, p)
        assert blake3(b"".join(parities)).hex() == vector["blake3_of_all_parities"], (s, t, p)
        # Any k blocks give the others: here the last ones.
        word = complete((s, t, p), [None if i < p - s else block for i, block in enumerate(data[s:] + parities)])
        assert word == data + parities, (s, t, p)
    for vector in vectors["anchors"]:
        block = anchor(uuid.UUID(vector["archive"]).bytes, vector["block_length"], vector["index"])
        assert block[:64].hex() == vector["first_64_bytes"] and blake3(block).hex() == vector["blake3"], vector
    print(f"{len(vectors['codewords'])} codewords and {len(vectors['anchors'])} anchors are as they should be")


if __name__ == "__main__":
    main()
