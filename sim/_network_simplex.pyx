# cython: language_level=3
"""Minimum-cost circulation by the primal network simplex, and the price lattice of its optimum.

Integers throughout, no tolerance. The tree stays *strongly feasible* (every tree arc can carry more flow towards the
root), so the method never cycles (Cunningham 1976). Loops run without the GIL and hold no Python object; all
state lives in the arrays passed in.
"""

from libc.stdint cimport int8_t, int32_t, int64_t
from libc.stdlib cimport free, malloc

cdef int64_t INFINITE = <int64_t>4e18

cdef enum:
    LOWER = 1
    TREE = 0
    UPPER = -1


cdef struct Tree:
    int32_t n
    int32_t *parent
    int32_t *arc        # tree arc to the parent
    int8_t *up          # 1 if that arc points to the parent
    int32_t *depth
    int32_t *child      # first child
    int32_t *after      # next sibling
    int32_t *before     # previous sibling


cdef void unlink(Tree *t, int32_t v) noexcept nogil:
    cdef int32_t p = t.parent[v]
    if t.before[v] >= 0:
        t.after[t.before[v]] = t.after[v]
    else:
        t.child[p] = t.after[v]
    if t.after[v] >= 0:
        t.before[t.after[v]] = t.before[v]


cdef void hang(Tree *t, int32_t v, int32_t p) noexcept nogil:
    t.parent[v] = p
    t.before[v] = -1
    t.after[v] = t.child[p]
    if t.child[p] >= 0:
        t.before[t.child[p]] = v
    t.child[p] = v


cdef void shift(Tree *t, int32_t top, int64_t delta, int64_t[::1] potential) noexcept nogil:
    """Add delta to the potentials of a subtree and renew its depths (walk without a stack)."""
    cdef int32_t v = top
    while True:
        t.depth[v] = t.depth[t.parent[v]] + 1
        potential[v] += delta
        if t.child[v] >= 0:
            v = t.child[v]
            continue
        while v != top and t.after[v] < 0:
            v = t.parent[v]
        if v == top:
            return
        v = t.after[v]


def solve(
    const int32_t[::1] tail,
    const int32_t[::1] head,
    const int64_t[::1] capacity,
    const int64_t[::1] cost,
    const int32_t[::1] first_arc,
    int64_t[::1] flow,
    int64_t[::1] potential,
    int8_t[::1] state,
    int64_t pivot_cap,
):
    """Minimise cost over circulations.

    Parameters
    ----------
    tail, head, capacity, cost : (m,) arcs; node 0 is the root.
    first_arc : (n,) tree arc of every node but the root at the start; it must point towards the root with
        positive capacity, which makes the all-zero flow strongly feasible.
    flow, potential, state : outputs; ``potential[0]`` is 0 and ``cost + potential[tail] - potential[head]`` is at
        least 0 where flow is 0, at most 0 where it is at capacity, and 0 in between.
    pivot_cap : guard against a fault; never reached by a strongly feasible tree.

    Returns
    -------
    int
        Pivots, or -1 if `pivot_cap` was hit.
    """
    cdef int32_t n = potential.shape[0], m = tail.shape[0]
    cdef Tree t
    cdef int32_t v, u, w, a, p, entering, leaving_node, scanned, inner, stem, up_node, next_parent, block, position
    cdef int32_t next_arc, carried_arc
    cdef int8_t next_up, carried_up
    cdef int64_t reduced, best, residual, delta, pivots = 0, change
    cdef int side
    t.n = n
    t.parent = <int32_t *>malloc(n * sizeof(int32_t))
    t.arc = <int32_t *>malloc(n * sizeof(int32_t))
    t.up = <int8_t *>malloc(n * sizeof(int8_t))
    t.depth = <int32_t *>malloc(n * sizeof(int32_t))
    t.child = <int32_t *>malloc(n * sizeof(int32_t))
    t.after = <int32_t *>malloc(n * sizeof(int32_t))
    t.before = <int32_t *>malloc(n * sizeof(int32_t))
    if not (t.parent and t.arc and t.up and t.depth and t.child and t.after and t.before):
        free(t.parent); free(t.arc); free(t.up); free(t.depth); free(t.child); free(t.after); free(t.before)
        raise MemoryError("the clearing kernel needs memory for its tree")
    with nogil:
        for v in range(n):
            t.child[v] = -1
            t.after[v] = -1
            t.before[v] = -1
            t.up[v] = 1
        for a in range(m):
            state[a] = LOWER
            flow[a] = 0
        t.parent[0] = -1
        t.arc[0] = -1
        t.depth[0] = 0
        potential[0] = 0
        for v in range(1, n):
            a = first_arc[v]
            t.arc[v] = a
            state[a] = TREE
            hang(&t, v, head[a])
        # Parents may come after children in numbering: one walk from the root sets depths and potentials.
        v = 0
        while True:
            if t.child[v] >= 0:
                v = t.child[v]
            else:
                while v != 0 and t.after[v] < 0:
                    v = t.parent[v]
                if v == 0:
                    break
                v = t.after[v]
            t.depth[v] = t.depth[t.parent[v]] + 1
            potential[v] = potential[t.parent[v]] - cost[t.arc[v]]
        block = 16
        while <int64_t>block * block < m:
            block += 1
        position = 0
        while True:
            # Most violated arc of the first block that holds a violation.
            best = 0
            entering = -1
            scanned = 0
            inner = 0
            while scanned < m:
                a = position
                position += 1
                if position == m:
                    position = 0
                scanned += 1
                inner += 1
                reduced = state[a] * (cost[a] + potential[tail[a]] - potential[head[a]])
                if reduced < best:
                    best = reduced
                    entering = a
                if inner == block:
                    if entering >= 0:
                        break
                    inner = 0
            if entering < 0:
                break
            if pivots == pivot_cap:
                pivots = -1
                break
            pivots += 1
            # The cycle runs through the entering arc from u to w, up from w to the apex, and down to u.
            if state[entering] == LOWER:
                u = tail[entering]
                w = head[entering]
            else:
                u = head[entering]
                w = tail[entering]
            delta = capacity[entering]
            side = 0
            leaving_node = -1
            v = u
            p = w
            # Apex by depth.
            while v != p:
                if t.depth[v] >= t.depth[p]:
                    v = t.parent[v]
                else:
                    p = t.parent[p]
            up_node = v
            v = u
            while v != up_node:
                a = t.arc[v]
                residual = flow[a] if t.up[v] else capacity[a] - flow[a]
                if residual < delta:
                    delta = residual
                    leaving_node = v
                    side = 1
                v = t.parent[v]
            v = w
            while v != up_node:
                a = t.arc[v]
                residual = capacity[a] - flow[a] if t.up[v] else flow[a]
                if residual <= delta:
                    delta = residual
                    leaving_node = v
                    side = 2
                v = t.parent[v]
            if delta > 0:
                flow[entering] += delta if state[entering] == LOWER else -delta
                v = u
                while v != up_node:
                    flow[t.arc[v]] += -delta if t.up[v] else delta
                    v = t.parent[v]
                v = w
                while v != up_node:
                    flow[t.arc[v]] += delta if t.up[v] else -delta
                    v = t.parent[v]
            if side == 0:
                state[entering] = -state[entering]
                continue
            # Swap arcs in the tree: cut at leaving_node, re-hang the piece at the entering arc.
            a = t.arc[leaving_node]
            state[a] = LOWER if flow[a] == 0 else UPPER
            if side == 1:
                stem = u
                p = w
            else:
                stem = w
                p = u
            reduced = cost[entering] + potential[tail[entering]] - potential[head[entering]]
            change = reduced if stem == head[entering] else -reduced
            carried_arc = entering
            carried_up = 1 if tail[entering] == stem else 0
            v = stem
            while True:
                next_parent = t.parent[v]
                next_arc = t.arc[v]
                next_up = t.up[v]
                unlink(&t, v)
                hang(&t, v, p)
                t.arc[v] = carried_arc
                t.up[v] = carried_up
                if v == leaving_node:
                    break
                carried_arc = next_arc
                carried_up = 0 if next_up else 1
                p = v
                v = next_parent
            state[entering] = TREE
            shift(&t, stem, change, potential)
    free(t.parent); free(t.arc); free(t.up); free(t.depth); free(t.child); free(t.after); free(t.before)
    return pivots


def distances(
    const int32_t[::1] start,
    const int32_t[::1] target,
    const int64_t[::1] length,
    int32_t source,
    int64_t[::1] distance,
):
    """Dijkstra from `source` over arcs sorted by target-free CSR: `start` (n+1,), `target`, `length` >= 0.

    Unreached nodes keep a negative distance.
    """
    cdef int32_t n = distance.shape[0], v, w, size = 0, i, j, k, moved
    cdef int64_t reach
    cdef int32_t *heap = <int32_t *>malloc(n * sizeof(int32_t))
    cdef int32_t *place = <int32_t *>malloc(n * sizeof(int32_t))
    if not (heap and place):
        free(heap); free(place)
        raise MemoryError("the clearing kernel needs memory for its heap")
    with nogil:
        for v in range(n):
            distance[v] = -1
            place[v] = -1
        distance[source] = 0
        heap[0] = source
        place[source] = 0
        size = 1
        while size > 0:
            v = heap[0]
            size -= 1
            place[v] = -2
            if size > 0:
                moved = heap[size]
                i = 0
                while True:
                    j = 2 * i + 1
                    if j >= size:
                        break
                    if j + 1 < size and distance[heap[j + 1]] < distance[heap[j]]:
                        j += 1
                    if distance[heap[j]] >= distance[moved]:
                        break
                    heap[i] = heap[j]
                    place[heap[i]] = i
                    i = j
                heap[i] = moved
                place[moved] = i
            for k in range(start[v], start[v + 1]):
                w = target[k]
                if place[w] == -2:
                    continue
                reach = distance[v] + length[k]
                if place[w] == -1:
                    i = size
                    size += 1
                elif reach < distance[w]:
                    i = place[w]
                else:
                    continue
                distance[w] = reach
                while i > 0:
                    j = (i - 1) // 2
                    if distance[heap[j]] <= reach:
                        break
                    heap[i] = heap[j]
                    place[heap[i]] = i
                    i = j
                heap[i] = w
                place[w] = i
    free(heap); free(place)
