"""Minimum-cost circulation by the network simplex method.

Integers throughout, no tolerance. A spanning tree of arcs carries the flows that lie between their bounds; every other
arc is empty or full. Potentials make the reduced cost ``cost + potential[tail] - potential[head]`` zero on the tree.
No Python object, no global state; all memory belongs to the caller.
"""

from libc.stdint cimport int8_t, int32_t, int64_t
from libc.math cimport sqrt

# Potentials beyond this could overflow in a reduced cost; the caller then retries at a coarser scale.
cdef int64_t SAFE = <int64_t>1 << 60


cdef inline void unlink(Node *node, int32_t v) noexcept nogil:
    cdef Node *it = &node[v]
    if it.before >= 0:
        node[it.before].after = it.after
    else:
        node[it.parent].child = it.after
    if it.after >= 0:
        node[it.after].before = it.before


cdef inline void hang(Node *node, int32_t v, int32_t parent) noexcept nogil:
    cdef int32_t first = node[parent].child
    node[v].parent = parent
    node[v].before = -1
    node[v].after = first
    if first >= 0:
        node[first].before = v
    node[parent].child = v


cdef int64_t lift(Circulation *c, int32_t top, int64_t by) noexcept nogil:
    """Add a constant to the potentials of a subtree and renew its depths; returns nodes moved, -1 beyond SAFE."""
    cdef int32_t v = top
    cdef int64_t moved = 0, worst = 0
    cdef Node *node = c.node
    while True:
        node[v].depth = node[node[v].parent].depth + 1
        c.potential[v] += by
        worst |= c.potential[v] if c.potential[v] >= 0 else -c.potential[v]
        moved += 1
        if node[v].child >= 0:
            v = node[v].child
            continue
        while v != top and node[v].after < 0:
            v = node[v].parent
        if v == top:
            break
        v = node[v].after
    return moved if worst < SAFE else -1


cdef void plant(Circulation *c) noexcept nogil:
    """Hang every node by its ``arc`` and set depths and potentials from the root."""
    cdef int32_t v, a
    cdef Node *node = c.node
    for v in range(c.n):
        node[v].child = -1
        node[v].before = -1
        node[v].after = -1
    node[0].parent = -1
    node[0].arc = -1
    node[0].depth = 0
    c.potential[0] = 0
    for v in range(1, c.n):
        a = node[v].arc
        c.state[a] = TREE
        node[v].up = c.arc[a].tail == v
        hang(node, v, c.arc[a].head if node[v].up else c.arc[a].tail)
    v = 0
    while True:
        if node[v].child >= 0:
            v = node[v].child
        else:
            while v != 0 and node[v].after < 0:
                v = node[v].parent
            if v == 0:
                return
            v = node[v].after
        a = node[v].arc
        node[v].depth = node[node[v].parent].depth + 1
        c.potential[v] = c.potential[node[v].parent] + (-c.arc[a].cost if node[v].up else c.arc[a].cost)


cdef void rehang(Circulation *c, int32_t entering, int32_t stem, int32_t parent, int32_t cut) noexcept nogil:
    """Replace the tree arc above `cut` by the entering arc: reverse the path from `stem` up to `cut`."""
    cdef Node *node = c.node
    cdef int32_t v = stem, carried = entering, next_parent, next_arc, next_up
    cdef int32_t up = c.arc[entering].tail == stem
    while True:
        next_parent = node[v].parent
        next_arc = node[v].arc
        next_up = node[v].up
        unlink(node, v)
        hang(node, v, parent)
        node[v].arc = carried
        node[v].up = up
        if v == cut:
            break
        carried = next_arc
        up = 1 - next_up
        parent = v
        v = next_parent
    c.state[entering] = TREE


cdef int64_t primal(Circulation *c) noexcept nogil:
    """Primal network simplex from a strongly feasible tree.

    Every tree arc can carry more flow towards the root at the start; taking the last blocking arc of each cycle, seen
    from its apex along the flow, keeps it so, and the method cannot cycle (Cunningham 1976). Returns pivots, or -1 if
    potentials left the safe range.
    """
    cdef Node *node = c.node
    cdef Arc *arc = c.arc
    cdef Arc *it
    cdef int8_t *state = c.state
    cdef int64_t *potential = c.potential
    cdef int32_t m = c.m, block = <int32_t>(0.5 * sqrt(<double>m)) + 8
    cdef int32_t position = 0, scanned, inner, a, entering, u, w, v, x, apex, cut, stem, parent
    cdef int64_t best, reduced, delta, residual, pivots = 0
    cdef int side
    if m == 0:
        return 0
    while True:
        # The most violated arc of the next block that holds a violation.
        best = 0
        entering = -1
        scanned = 0
        while scanned < m and entering < 0:
            inner = block if block < m - scanned else m - scanned
            scanned += inner
            while inner > 0:
                a = position
                position += 1
                if position == m:
                    position = 0
                inner -= 1
                it = &arc[a]
                reduced = state[a] * (it.cost + potential[it.tail] - potential[it.head])
                if reduced < best:
                    best = reduced
                    entering = a
        if entering < 0:
            return pivots
        pivots += 1
        # Flow will run along the entering arc from u to w, from w up to the apex, and down to u.
        it = &arc[entering]
        if state[entering] == LOWER:
            u = it.tail
            w = it.head
        else:
            u = it.head
            w = it.tail
        v = u
        x = w
        while v != x:
            if node[v].depth > node[x].depth:
                v = node[v].parent
            elif node[v].depth < node[x].depth:
                x = node[x].parent
            else:
                v = node[v].parent
                x = node[x].parent
        apex = v
        delta = it.capacity
        side = 0
        cut = -1
        v = u
        while v != apex:
            residual = arc[node[v].arc].flow
            if not node[v].up:
                residual = arc[node[v].arc].capacity - residual
            if residual < delta:
                delta = residual
                cut = v
                side = 1
            v = node[v].parent
        v = w
        while v != apex:
            residual = arc[node[v].arc].flow
            if node[v].up:
                residual = arc[node[v].arc].capacity - residual
            if residual <= delta:
                delta = residual
                cut = v
                side = 2
            v = node[v].parent
        if delta > 0:
            it.flow += delta if state[entering] == LOWER else -delta
            v = u
            while v != apex:
                arc[node[v].arc].flow += -delta if node[v].up else delta
                v = node[v].parent
            v = w
            while v != apex:
                arc[node[v].arc].flow += delta if node[v].up else -delta
                v = node[v].parent
        if side == 0:
            state[entering] = -state[entering]
            continue
        a = node[cut].arc
        state[a] = LOWER if arc[a].flow == 0 else UPPER
        if side == 1:
            stem = u
            parent = w
        else:
            stem = w
            parent = u
        reduced = it.cost + potential[it.tail] - potential[it.head]
        rehang(c, entering, stem, parent, cut)
        if lift(c, stem, reduced if stem == it.head else -reduced) < 0:
            return -1
