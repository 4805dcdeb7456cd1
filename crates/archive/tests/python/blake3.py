"""BLAKE3 with extendable output in plain Python, from its paper (https://github.com/BLAKE3-team/BLAKE3-specs)."""

import struct

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
CHUNK, BLOCK = 1024, 64


def schedules():
    """For each of the seven rounds, which word of the message goes where."""
    order, rounds = list(range(16)), []
    for _ in range(7):
        rounds.append(tuple(order))
        order = [order[i] for i in PERMUTATION]
    return rounds


SCHEDULES = schedules()


def compress(chaining, block, counter, length, flags):
    """The compression function: 16 words."""
    v = [*chaining, *IV[:4], counter & 0xFFFFFFFF, counter >> 32, length, flags]
    words = struct.unpack("<16I", block.ljust(BLOCK, b"\0"))
    for order in SCHEDULES:
        for number, (a, b, c, d) in enumerate(QUARTERS):
            va, vb, vc, vd = v[a], v[b], v[c], v[d]
            va = (va + vb + words[order[2 * number]]) & 0xFFFFFFFF
            vd ^= va
            vd = (vd >> 16 | vd << 16) & 0xFFFFFFFF
            vc = (vc + vd) & 0xFFFFFFFF
            vb ^= vc
            vb = (vb >> 12 | vb << 20) & 0xFFFFFFFF
            va = (va + vb + words[order[2 * number + 1]]) & 0xFFFFFFFF
            vd ^= va
            vd = (vd >> 8 | vd << 24) & 0xFFFFFFFF
            vc = (vc + vd) & 0xFFFFFFFF
            vb ^= vc
            v[a], v[b], v[c], v[d] = va, (vb >> 7 | vb << 25) & 0xFFFFFFFF, vc, vd
    return [v[i] ^ v[i + 8] for i in range(8)] + [v[i + 8] ^ chaining[i] for i in range(8)]


def node(data, number):
    """The last compression of the subtree over `data`, whose first chunk is `number`: its arguments but the root's flag."""
    if len(data) <= CHUNK:
        blocks = [data[at:at + BLOCK] for at in range(0, len(data), BLOCK)] or [b""]
        chaining, start = IV, CHUNK_START
        for block in blocks[:-1]:
            chaining, start = compress(chaining, block, number, BLOCK, start)[:8], 0
        return chaining, blocks[-1], number, len(blocks[-1]), start | CHUNK_END
    left = CHUNK
    while left * 2 < len(data):
        left *= 2
    children = node(data[:left], number), node(data[left:], number + left // CHUNK)
    block = b"".join(struct.pack("<8I", *compress(*child)[:8]) for child in children)
    return IV, block, 0, BLOCK, PARENT


def blake3(data, length=32):
    """The first `length` bytes of the hash of `data`."""
    chaining, block, _, block_length, flags = node(bytes(data), 0)
    output = b""
    while len(output) < length:
        words = compress(chaining, block, len(output) // BLOCK, block_length, flags | ROOT)
        output += struct.pack("<16I", *words)
    return output[:length]
