"""Queues of the shortest-path passes: shelves where order counts, a ring where labels may be corrected later.

Almost every node starts with a label of its own and most of them are overruled by a better one from far away, so nodes are taken
nearly in order of their labels: a shelf holds those within a thousandth of the range of first labels (Dial 1969). Two labels on one
shelf may be taken in the wrong order, and are then corrected.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint64_t

cdef extern from *:
    """
    #define trailing_zeros(x) __builtin_ctzll(x)
    """
    int trailing_zeros(uint64_t x) noexcept nogil


cdef enum:
    SHELVES = 1024
    WORDS = 16


cdef struct Shelves:
    int32_t *after      # node -> next on its shelf, -1
    int32_t *before     # node -> previous on its shelf, -1
    int32_t *place      # node -> shelf, -1
    int64_t base        # least label
    int width           # labels per shelf, power of two
    int word            # no earlier shelf holds anything
    uint64_t some[WORDS]
    int32_t first[SHELVES]


cdef inline void clear_shelves(Shelves *q, int64_t least, int64_t most) noexcept nogil:
    """Empty shelves for first labels between `least` and `most`."""
    cdef int i
    q.base = least
    q.width = 0
    while (most - least) >> q.width >= SHELVES:
        q.width += 1
    for i in range(WORDS):
        q.some[i] = 0
    q.word = 0


cdef inline void leave(Shelves *q, int32_t v) noexcept nogil:
    """Take v from its shelf."""
    cdef int32_t shelf = q.place[v], x = q.before[v], y = q.after[v]
    q.place[v] = -1
    if y >= 0:
        q.before[y] = x
    if x >= 0:
        q.after[x] = y
    else:
        q.first[shelf] = y
        if y < 0:
            q.some[shelf >> 6] &= ~(<uint64_t>1 << (shelf & 63))


cdef inline void shelve(Shelves *q, int32_t v, int64_t label) noexcept nogil:
    """Put v, or move it, to the shelf of a label no less than those taken so far."""
    cdef int64_t step = (label - q.base) >> q.width
    cdef int32_t shelf = <int32_t>step if step < SHELVES else SHELVES - 1, y
    if q.place[v] == shelf:
        return
    if q.place[v] >= 0:
        leave(q, v)
    y = q.first[shelf] if q.some[shelf >> 6] >> (shelf & 63) & 1 else -1
    q.some[shelf >> 6] |= <uint64_t>1 << (shelf & 63)
    q.place[v] = shelf
    q.before[v] = -1
    q.after[v] = y
    if y >= 0:
        q.before[y] = v
    q.first[shelf] = v


cdef inline int32_t take(Shelves *q) noexcept nogil:
    """Remove and return a node of the first shelf that holds any; -1 if none does."""
    cdef int32_t v
    while q.some[q.word] == 0:
        if q.word == WORDS - 1:
            return -1
        q.word += 1
    v = q.first[64 * q.word + trailing_zeros(q.some[q.word])]
    leave(q, v)
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
