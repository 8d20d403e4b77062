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


# -- dual method ------------------------------------------------------------------------------------------------------


cdef inline int32_t slot_of(Market *w, int32_t j, int32_t v) noexcept nogil:
    if j < w.n_limited:
        return 3 * v
    return 3 * v + 1 if w.curve[j].tail == v else 3 * v + 2


cdef void incidence(Circulation *c, Market *w) noexcept nogil:
    """Which curves meet at each node; the root is never inside a subtree and needs none."""
    cdef int32_t j, v, i, side
    for i in range(3 * c.n + 2):
        w.start[i] = 0
    for j in range(w.n_curves):
        for side in range(2):
            v = w.curve[j].head if side else w.curve[j].tail
            if v > 0:
                w.start[slot_of(w, j, v) + 2] += 1
    for i in range(2, 3 * c.n + 2):
        w.start[i] += w.start[i - 1]
    for j in range(w.n_curves):
        for side in range(2):
            v = w.curve[j].head if side else w.curve[j].tail
            if v > 0:
                i = slot_of(w, j, v) + 1
                w.incident[w.start[i]].other = w.curve[j].tail if side else w.curve[j].head
                w.incident[w.start[i]].curve = j
                w.start[i] += 1


cdef inline int32_t group_of(int32_t *group, int32_t v) noexcept nogil:
    while group[v] != v:
        group[v] = group[group[v]]
        v = group[v]
    return v


cdef void join(Circulation *c, Market *w, int32_t a) noexcept nogil:
    """Take a tight arc into the forest if it joins two trees: the smaller one is turned to hang from its end."""
    cdef int32_t v = c.arc[a].tail, u = c.arc[a].head, x, y, z, carried
    cdef Node *node = c.node
    x, y = group_of(w.group, v), group_of(w.group, u)
    if x == y:
        return
    if y != 0 and (x == 0 or node[y].size < node[x].size):
        x, y = y, x
        v, u = u, v
    # v lies in the tree that is turned: its path upwards is reversed.
    carried = a
    z = v
    while True:
        x = node[z].arc
        node[z].arc = carried
        if x < 0:
            break
        carried = x
        z = c.arc[x].head if c.arc[x].tail == z else c.arc[x].tail
    x = group_of(w.group, v)
    w.group[x] = y
    node[y].size += node[x].size


cdef void crash(Circulation *c, Market *w) noexcept nogil:
    """A basis for given potentials: every arc at the bound its reduced cost asks for, a tree of tight arcs.

    Nodes that no tight arc connects to the root hang from it by an arc of no capacity (``c.m`` onwards). Flows on the tree
    follow from balance and may leave their bounds.
    """
    cdef int32_t a, v, n = c.n, m = c.m, at, u
    cdef int64_t reduced
    cdef Arc *it
    cdef Node *node = c.node
    for v in range(n):
        w.group[v] = v
        node[v].size = 1
        node[v].arc = -1
        w.excess[v] = 0
        w.queued[v] = 0
    # Lanes and sockets come last in the list and first into the tree: they carry no bound of an order.
    for a in range(m - 1, -1, -1):
        it = &c.arc[a]
        reduced = it.cost + c.potential[it.tail] - c.potential[it.head]
        c.state[a] = UPPER if reduced < 0 else LOWER
        it.flow = 0
        if reduced == 0:
            join(c, w, a)
    for v in range(1, n):
        if node[v].arc < 0:
            it = &c.arc[m]
            it.tail, it.head, it.cost, it.capacity, it.flow = v, 0, -c.potential[v], 0, 0
            node[v].arc = m
            m += 1
    for v in range(1, n):
        c.state[node[v].arc] = TREE
    for a in range(c.m):
        if c.state[a] == UPPER:
            it = &c.arc[a]
            it.flow = it.capacity
            w.excess[it.tail] -= it.flow
            w.excess[it.head] += it.flow
    plant(c)
    # Preorder, then from the leaves to the root.
    at = 0
    v = 0
    while True:
        w.line[at] = v
        at += 1
        node[v].size = 1
        if node[v].child >= 0:
            v = node[v].child
            continue
        while v != 0 and node[v].after < 0:
            v = node[v].parent
        if v == 0:
            break
        v = node[v].after
    w.waiting = 0
    w.next = 0
    for at in range(n - 1, 0, -1):
        v = w.line[at]
        u = node[v].parent
        it = &c.arc[node[v].arc]
        it.flow = w.excess[v] if node[v].up else -w.excess[v]
        w.excess[u] += w.excess[v]
        node[u].size += node[v].size
        suspect(c, w, v)


cdef inline int64_t violation(Arc *it) noexcept nogil:
    """Flow outside the bounds of an arc."""
    if it.flow < 0:
        return -it.flow
    return it.flow - it.capacity if it.flow > it.capacity else 0


cdef inline void suspect(Circulation *c, Market *w, int32_t v) noexcept nogil:
    """Queue a node whose tree arc is out of bounds."""
    cdef int32_t at
    if w.queued[v] == 0 and violation(&c.arc[c.node[v].arc]) > 0:
        w.queued[v] = 1
        at = w.next + w.waiting
        w.queue[at if at < c.n else at - c.n] = v
        w.waiting += 1


cdef int32_t worst(Circulation *c, Market *w) noexcept nogil:
    """The steepest of the next few suspects (the norm of a row of the basis is the size of its subtree); -1 if none is left."""
    cdef int32_t v, found = -1, seen = 0, left = w.waiting
    cdef double score, best = 0.0
    cdef int64_t by
    while left > 0 and seen < 32:
        left -= 1
        v = w.queue[w.next]
        w.next = w.next + 1 if w.next + 1 < c.n else 0
        w.waiting -= 1
        w.queued[v] = 0
        by = violation(&c.arc[c.node[v].arc])
        if by == 0:
            continue
        seen += 1
        score = <double>by * <double>by / <double>c.node[v].size
        if score > best:
            if found >= 0:
                suspect(c, w, found)
            best = score
            found = v
        else:
            suspect(c, w, v)
    return found


cdef void carry(Circulation *c, Market *w, int32_t x, int32_t y, int64_t amount) noexcept nogil:
    """More flow through the tree from x to y."""
    cdef Node *node = c.node
    while x != y:
        if node[x].depth >= node[y].depth:
            c.arc[node[x].arc].flow += amount if node[x].up else -amount
            suspect(c, w, x)
            x = node[x].parent
        else:
            c.arc[node[y].arc].flow += -amount if node[y].up else amount
            suspect(c, w, y)
            y = node[y].parent


cdef inline void sift(Breakpoint *p, int32_t n, int32_t i) noexcept nogil:
    cdef Breakpoint x = p[i]
    cdef int32_t j
    while True:
        j = 2 * i + 1
        if j >= n:
            break
        if j + 1 < n and p[j + 1].at < p[j].at:
            j += 1
        if p[j].at >= x.at:
            break
        p[i] = p[j]
        i = j
    p[i] = x


cdef inline int64_t passed(Circulation *c, Market *w, Curve *curve, bint falling, int64_t excess, int64_t stop) noexcept nogil:
    """List the arcs of a curve that turn next as its reduced costs fall (or rise), none beyond ``stop``.

    Returns the change at which the curve alone makes up for the excess, or ``stop``.
    """
    cdef Arc *arc = c.arc
    cdef int64_t base = c.potential[curve.tail] - c.potential[curve.head], at, sum = 0
    cdef int32_t low = curve.first, high = curve.last, middle, k, step, wanted
    # The first arc of reduced cost 0 or more (falling), or above 0 (rising).
    while low < high:
        middle = (low + high) >> 1
        at = arc[middle].cost + base
        if at < 0 or (at == 0 and not falling):
            low = middle + 1
        else:
            high = middle
    if falling:
        k, step, wanted = low, 1, LOWER
    else:
        k, step, wanted = low - 1, -1, UPPER
    while curve.first <= k < curve.last:
        at = step * (arc[k].cost + base)
        if at > stop:
            break
        if c.state[k] == wanted:
            w.point[w.points].at = at
            w.point[w.points].arc = k
            w.points += 1
            sum += arc[k].capacity
            if sum >= excess:
                return at
        k += step
    return stop


cdef void breakpoints(Circulation *c, Market *w, int32_t top, int32_t sign, int64_t excess) noexcept nogil:
    """Changes of potential at which arcs across the edge of a subtree turn, up to where they surely suffice."""
    cdef Node *node = c.node
    cdef int32_t members = 0, v = top, i, j, first, last
    cdef int64_t at, stop = SAFE << 1
    cdef Curve *curve
    cdef Arc *it
    w.points = 0
    while True:
        w.line[members] = v
        members += 1
        w.group[v] = top
        if node[v].child >= 0:
            v = node[v].child
            continue
        while v != top and node[v].after < 0:
            v = node[v].parent
        if v == top:
            break
        v = node[v].after
    for i in range(members):
        v = w.line[i]
        # Free arcs are empty and matter only where their reduced cost falls: out of the region or into it.
        first = 3 * v + (1 if sign < 0 else 2)
        for j in range(w.start[first], w.start[first + 1]):
            if w.group[w.incident[j].other] == top:
                continue
            curve = &w.curve[w.incident[j].curve]
            it = &c.arc[curve.first]
            at = it.cost + c.potential[it.tail] - c.potential[it.head]
            if at <= stop and c.state[curve.first] == LOWER:
                w.point[w.points].at = at
                w.point[w.points].arc = curve.first
                w.points += 1
                stop = at
    for i in range(members):
        v = w.line[i]
        for j in range(w.start[3 * v], w.start[3 * v + 1]):
            if w.group[w.incident[j].other] != top:
                curve = &w.curve[w.incident[j].curve]
                stop = passed(c, w, curve, (curve.tail == v) == (sign < 0), excess, stop)
    for i in range(members):
        w.group[w.line[i]] = -1


cdef int64_t dual(Circulation *c, Market *w, int64_t most) noexcept nogil:
    """Dual network simplex with bound flipping, from the basis of `crash`.

    Each pivot takes a tree arc that carries too much or too little and moves the prices of all that hangs below it, a
    region, until arcs across its edge make up for the difference: those it passes on the way turn from empty to full or
    back, the last one enters the tree. Returns pivots, or -1 after ``most`` of them or out of range; the primal method
    then does the work.
    """
    cdef Node *node = c.node
    cdef Arc *arc = c.arc
    cdef Arc *it
    cdef int32_t u, v, a, n, i, sign, entering, stem, parent, before, held
    cdef int64_t excess, delta, pivots = 0
    cdef Breakpoint *p = w.point
    for v in range(c.n):
        w.group[v] = -1
    while True:
        u = worst(c, w)
        if u < 0:
            return pivots
        pivots += 1
        if pivots > most:
            return -1
        it = &arc[node[u].arc]
        excess = violation(it)
        # Too much leaves the region: its prices fall.
        sign = -1 if (it.flow > 0) == node[u].up else 1
        breakpoints(c, w, u, sign, excess)
        n = w.points
        for i in range(n // 2 - 1, -1, -1):
            sift(p, n, i)
        entering = -1
        while n > 0:
            a = p[0].arc
            delta = p[0].at
            if arc[a].capacity >= excess:
                entering = a
                break
            n -= 1
            p[0] = p[n]
            sift(p, n, 0)
            excess -= arc[a].capacity
            if c.state[a] == LOWER:
                c.state[a] = UPPER
                arc[a].flow = arc[a].capacity
                carry(c, w, arc[a].head, arc[a].tail, arc[a].capacity)
            else:
                c.state[a] = LOWER
                arc[a].flow = 0
                carry(c, w, arc[a].tail, arc[a].head, arc[a].capacity)
        if entering < 0:
            return -1
        it = &arc[entering]
        if c.state[entering] == LOWER:
            it.flow = excess
            carry(c, w, it.head, it.tail, excess)
        else:
            it.flow = it.capacity - excess
            carry(c, w, it.tail, it.head, excess)
        # The end inside the region becomes its new top.
        v = it.tail
        while v != u and node[v].depth > node[u].depth:
            v = node[v].parent
        stem = it.tail if v == u else it.head
        parent = it.head if v == u else it.tail
        a = node[u].arc
        c.state[a] = LOWER if arc[a].flow <= 0 else UPPER
        held = node[u].size
        v = node[u].parent
        while v >= 0:
            node[v].size -= held
            v = node[v].parent
        before = 0
        v = stem
        while True:
            i = node[v].size
            node[v].size = held - before
            before = i
            if v == u:
                break
            v = node[v].parent
        rehang(c, entering, stem, parent, u)
        v = parent
        while v >= 0:
            node[v].size += held
            v = node[v].parent
        v = u
        while True:
            suspect(c, w, v)
            if v == stem:
                break
            v = node[v].parent
        if lift(c, stem, sign * delta) < 0:
            return -1
