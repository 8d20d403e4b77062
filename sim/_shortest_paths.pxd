"""Queues of the shortest-path passes: a ring where labels may be corrected later, an indexed binary heap where order counts.

On a map where nearly every node starts with a label of its own, few labels are corrected more than once: first in, first out
beats a heap. Ties between paths of equal length are broken by the heap's order, so the pass that also needs the path uses it.
"""

from libc.stdint cimport int8_t, int32_t, int64_t


cdef struct Heap:
    int32_t *node       # heap order -> node
    int32_t *place      # node -> heap order; -1 outside
    int64_t *key        # node -> key
    int32_t size


cdef inline void offer(Heap *h, int32_t v, int64_t key) noexcept nogil:
    """Insert v, or lower its key; a higher key is ignored."""
    cdef int32_t i = h.place[v], j, w
    if i < 0:
        i = h.size
        h.size += 1
    elif key >= h.key[v]:
        return
    h.key[v] = key
    while i > 0:
        j = (i - 1) >> 1
        w = h.node[j]
        if h.key[w] <= key:
            break
        h.node[i] = w
        h.place[w] = i
        i = j
    h.node[i] = v
    h.place[v] = i


cdef inline int32_t take(Heap *h) noexcept nogil:
    """Remove and return the node of least key."""
    cdef int32_t top = h.node[0], v, w, i = 0, j
    cdef int64_t key
    h.size -= 1
    h.place[top] = -1
    if h.size == 0:
        return top
    v = h.node[h.size]
    key = h.key[v]
    while True:
        j = 2 * i + 1
        if j >= h.size:
            break
        if j + 1 < h.size and h.key[h.node[j + 1]] < h.key[h.node[j]]:
            j += 1
        w = h.node[j]
        if h.key[w] >= key:
            break
        h.node[i] = w
        h.place[w] = i
        i = j
    h.node[i] = v
    h.place[v] = i
    return top


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
