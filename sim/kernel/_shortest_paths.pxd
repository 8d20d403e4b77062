"""Queues of the shortest-path passes: a radix heap where order counts, a ring where labels may be corrected later.

Almost every node starts with a label of its own and most of them are overruled by a better one from far away, so that taking nodes
out of order does their work many times over. Labels only grow while they are taken, which a radix heap exploits (Ahuja, Mehlhorn, Orlin
and Tarjan 1990): it files a label by the highest bit in which it differs from the last one taken.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint64_t

cdef extern from *:
    """
    #define lowest_bit(x) __builtin_ctzll(x)
    #define highest_bit(x) (63 - __builtin_clzll(x))
    """
    int lowest_bit(uint64_t x) noexcept nogil
    int highest_bit(uint64_t x) noexcept nogil


cdef struct Heap:
    int64_t *label
    int32_t *after      # node -> next of its file, -1
    int32_t *before     # node -> previous of its file, -1
    int8_t *place       # node -> file, -1 outside
    int64_t last        # label taken last
    uint64_t some       # files that hold anything
    int32_t first[65]


cdef inline void leave(Heap *h, int32_t v) noexcept nogil:
    cdef int32_t x = h.before[v], y = h.after[v]
    if y >= 0:
        h.before[y] = x
    if x >= 0:
        h.after[x] = y
    else:
        h.first[h.place[v]] = y
        if y < 0:
            h.some &= ~(<uint64_t>1 << h.place[v])
    h.place[v] = -1


cdef inline void offer(Heap *h, int32_t v, int64_t label) noexcept nogil:
    """Insert v, or lower its label; labels are not negative and no less than the last one taken."""
    cdef int32_t file = 0 if label == h.last else 1 + highest_bit(<uint64_t>(label ^ h.last)), y
    h.label[v] = label
    if h.place[v] == file:
        return
    if h.place[v] >= 0:
        leave(h, v)
    y = h.first[file] if h.some >> file & 1 else -1
    h.some |= <uint64_t>1 << file
    h.place[v] = file
    h.before[v] = -1
    h.after[v] = y
    if y >= 0:
        h.before[y] = v
    h.first[file] = v


cdef inline int32_t take(Heap *h) noexcept nogil:
    """Remove and return a node of least label; -1, and a fresh start, if there is none."""
    cdef int32_t v, file
    if h.some == 0:
        h.last = 0
        return -1
    file = lowest_bit(h.some)
    if file > 0:
        v = h.first[file]
        h.last = h.label[v]
        while v >= 0:
            if h.label[v] < h.last:
                h.last = h.label[v]
            v = h.after[v]
        h.some &= ~(<uint64_t>1 << file)
        v = h.first[file]
        while v >= 0:
            file = h.after[v]
            h.place[v] = -1
            offer(h, v, h.label[v])
            v = file
    v = h.first[0]
    leave(h, v)
    return v


cdef struct Ring:
    int32_t *node
    int8_t *inside
    int32_t capacity
    int32_t first
    int32_t size


cdef inline void enqueue(Ring *r, int32_t v) noexcept nogil:
    """Append v unless it waits already."""
    cdef int32_t at
    if r.inside[v]:
        return
    r.inside[v] = 1
    at = r.first + r.size
    r.node[at if at < r.capacity else at - r.capacity] = v
    r.size += 1


cdef inline int32_t dequeue(Ring *r) noexcept nogil:
    """Remove and return the node that has waited longest."""
    cdef int32_t v = r.node[r.first]
    r.first = r.first + 1 if r.first + 1 < r.capacity else 0
    r.size -= 1
    r.inside[v] = 0
    return v
