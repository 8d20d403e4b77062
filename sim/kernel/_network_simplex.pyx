"""Minimum-cost circulation by the network simplex method.

Integers throughout, no tolerance. A spanning tree of arcs carries the flows that lie between their bounds; every other
arc is empty or full. Potentials make the reduced cost ``cost + potential[tail] - potential[head]`` zero on the tree.
No Python object, no global state; all memory belongs to the caller.
"""

from libc.stdint cimport int8_t, int32_t, int64_t
from libc.math cimport sqrt

# Potentials beyond this could overflow in a reduced cost; the caller then retries at a coarser scale.
cdef int64_t SAFE = <int64_t>1 << 60
cdef int64_t NEVER = <int64_t>1 << 62


cdef void plant(Circulation *c) noexcept nogil:
    """Hang every node by its ``arc`` without flow: parents, preorder, sizes, and potentials from the root."""
    cdef int32_t v, u, a, at, stacked
    cdef Node *node = c.node
    cdef int32_t *line = c.line
    cdef bint points_up
    for v in range(c.n):
        node[v].previous = -1
        node[v].size = 1
    node[0].parent = -1
    node[0].arc = -1
    c.potential[0] = 0
    # `previous` is the first child here, `next` the next sibling, until the order is known.
    for v in range(1, c.n):
        a = node[v].arc
        c.state[a] = TREE
        points_up = c.arc[a].tail == v
        node[v].up = c.capacity[a] if points_up else 0
        node[v].down = 0 if points_up else c.capacity[a]
        u = c.arc[a].head if points_up else c.arc[a].tail
        node[v].parent = u
        c.next[v] = node[u].previous
        node[u].previous = v
    # The order grows from the front of the line, the stack of nodes in waiting from its back.
    line[c.n - 1] = 0
    stacked = 1
    for at in range(c.n):
        v = line[c.n - stacked]
        stacked -= 1
        line[at] = v
        if v > 0:
            a = node[v].arc
            u = node[v].parent
            c.potential[v] = c.potential[u] + (-c.arc[a].cost if u == c.arc[a].head else c.arc[a].cost)
        u = node[v].previous
        while u >= 0:
            stacked += 1
            line[c.n - stacked] = u
            u = c.next[u]
    for at in range(c.n - 1, 0, -1):
        v = line[at]
        node[node[v].parent].size += node[v].size
        node[v].previous = line[at - 1]
        c.next[line[at - 1]] = v
    c.next[line[c.n - 1]] = 0
    node[0].previous = line[c.n - 1]


cdef inline int64_t shift(Circulation *c, int32_t v, int64_t by) noexcept nogil:
    """Add to a potential; the magnitude of the new one."""
    c.potential[v] += by
    return c.potential[v] if c.potential[v] >= 0 else -c.potential[v]


cdef bint rehang(Circulation *c, int32_t stem, int32_t parent, int32_t cut, int32_t entering, int64_t flow,
                 int64_t by) noexcept nogil:
    """Hang the subtree of `cut` from `parent` by the entering arc at `stem`, and add a constant to its potentials.

    The path from `stem` up to `cut` is reversed. In preorder that moves, for every node of the path, what stands in its
    subtree before and after its child on the path to behind that child's nodes. Sizes above the subtree are left to the caller.
    False if a potential left the safe range.
    """
    cdef Node *node = c.node
    cdef int32_t *next = c.next
    cdef int32_t before = node[cut].previous, total = node[cut].size
    cdef int32_t v = stem, last = stem, after, inner, outer = stem, left, below = 0, arc, size
    cdef int64_t worst = 0, up, down, x
    for left in range(node[stem].size):
        worst |= shift(c, v, by)
        last = v
        v = next[v]
    after = v
    while outer != cut:
        inner = outer
        outer = node[inner].parent
        left = node[outer].size - node[inner].size
        next[last] = outer
        node[outer].previous = last
        v = outer
        while v != inner:
            worst |= shift(c, v, by)
            last = v
            v = next[v]
            left -= 1
        if left > 0:
            next[last] = after
            node[after].previous = last
            v = after
            while left > 0:
                worst |= shift(c, v, by)
                last = v
                v = next[v]
                left -= 1
            after = v
    next[before] = after
    node[after].previous = before
    after = next[parent]
    next[parent] = stem
    node[stem].previous = parent
    next[last] = after
    node[after].previous = last

    if c.arc[entering].tail == stem:
        up, down = c.capacity[entering] - flow, flow
    else:
        up, down = flow, c.capacity[entering] - flow
    c.state[entering] = TREE
    v = stem
    while True:
        # What hung above v becomes what hangs its parent below it.
        inner = node[v].parent
        arc = node[v].arc
        size = node[v].size
        node[v].parent = parent
        node[v].arc = entering
        node[v].size = total - below
        x = node[v].up
        node[v].up = up
        up = node[v].down
        node[v].down = down
        down = x
        if v == cut:
            return worst < SAFE
        entering = arc
        below = size
        parent = v
        v = inner


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
    cdef int32_t position = 0, scanned, last, a, entering, u, w, v, x, apex, cut, cut_u, cut_w, size
    cdef int64_t best, reduced, delta, room_u, room_w, pivots = 0
    if m == 0:
        return 0
    while True:
        # The most violated arc of the next block that holds a violation.
        best = 0
        entering = -1
        scanned = 0
        while scanned < m and entering < 0:
            last = position + block if block < m - scanned else position + m - scanned
            last = last if last < m else m
            scanned += last - position
            for a in range(position, last):
                it = &arc[a]
                reduced = state[a] * (it.cost + potential[it.tail] - potential[it.head])
                if reduced < best:
                    best = reduced
                    entering = a
            position = last if last < m else 0
        if entering < 0:
            return pivots
        pivots += 1
        # Flow will run along the entering arc from u to w, from w up to the apex, and down to u.
        it = &arc[entering]
        u, w = it.tail, it.head
        if state[entering] == UPPER:
            u, w = w, u
        # Climb to the apex, the smaller subtree first. On the way down the last arc that blocks is the one nearest to u, on
        # the way up the one nearest to the apex.
        room_u = room_w = NEVER
        cut_u = cut_w = -1
        v, x = u, w
        while v != x:
            if node[v].size < node[x].size:
                if node[v].down < room_u:
                    room_u = node[v].down
                    cut_u = v
                v = node[v].parent
            else:
                if node[x].up <= room_w:
                    room_w = node[x].up
                    cut_w = x
                x = node[x].parent
        apex = v
        delta = c.capacity[entering]
        cut = -1
        if room_u < delta:
            delta = room_u
            cut = cut_u
        if room_w <= delta:
            delta = room_w
            cut = cut_w
        if delta > 0:
            v = u
            while v != apex:
                node[v].down -= delta
                node[v].up += delta
                v = node[v].parent
            v = w
            while v != apex:
                node[v].up -= delta
                node[v].down += delta
                v = node[v].parent
        if cut < 0:
            state[entering] = -state[entering]
            continue
        size = node[cut].size
        a = node[cut].arc
        v = node[cut].parent
        while v != apex:
            node[v].size -= size
            v = node[v].parent
        reduced = it.cost + potential[it.tail] - potential[it.head]
        best = delta if state[entering] == LOWER else c.capacity[entering] - delta
        if cut == cut_u:
            state[a] = LOWER if arc[a].tail == cut else UPPER
            x = u
            v = w
        else:
            state[a] = UPPER if arc[a].tail == cut else LOWER
            x = w
            v = u
        last = v
        while v != apex:
            node[v].size += size
            v = node[v].parent
        if not rehang(c, x, last, cut, entering, best, reduced if x == it.head else -reduced):
            return -1


# -- dual method ------------------------------------------------------------------------------------------------------


cdef void incidence(Circulation *c, Market *w) noexcept nogil:
    """What meets at each node: curves, free arcs out, free arcs in. The root is never inside a subtree and needs none."""
    cdef int32_t i, v, x, pass_
    for i in range(3 * c.n + 2):
        w.start[i] = 0
    # Count, then place; starts are one place late in between.
    for pass_ in range(2):
        for i in range(w.n_curves):
            meet(w, 3 * w.curve[i].tail, w.curve[i].head, i, pass_)
            meet(w, 3 * w.curve[i].head, w.curve[i].tail, i, pass_)
        for i in range(w.limited, c.m):
            v, x = c.arc[i].tail, c.arc[i].head
            meet(w, 3 * v + 1, x, i, pass_)
            meet(w, 3 * x + 2, v, i, pass_)
        if pass_ == 0:
            for i in range(2, 3 * c.n + 2):
                w.start[i] += w.start[i - 1]


cdef inline void meet(Market *w, int32_t slot, int32_t other, int32_t what, int32_t place) noexcept nogil:
    if slot < 3:
        return
    if place == 0:
        w.start[slot + 2] += 1
    else:
        w.incident[w.start[slot + 1]].other = other
        w.incident[w.start[slot + 1]].what = what
        w.start[slot + 1] += 1


cdef inline void renew(Circulation *c, Curve *curve) noexcept nogil:
    """Find anew where a curve turns from full to empty, near where it was."""
    cdef int32_t k = curve.turn, high = curve.last, middle
    if k < 0:
        # Never looked at before.
        k = curve.first
        while k < high:
            middle = (k + high) >> 1
            if c.state[middle] == UPPER:
                k = middle + 1
            else:
                high = middle
    while k < curve.last and c.state[k] == UPPER:
        k += 1
    while k > curve.first and c.state[k - 1] != UPPER:
        k -= 1
    curve.turn = k
    curve.empties = c.arc[k - 1].cost if k > curve.first else -NEVER
    if k < curve.last and c.state[k] == TREE:
        k += 1
    curve.fills = c.arc[k].cost if k < curve.last else NEVER


cdef void turned(Circulation *c, Market *w, int32_t a) noexcept nogil:
    """The state of an arc has changed: so has the curve it belongs to."""
    cdef int32_t low = 0, high = w.n_curves - 1, middle
    if a >= w.limited:
        return
    while low < high:
        middle = (low + high + 1) >> 1
        if w.curve[middle].first <= a:
            low = middle
        else:
            high = middle - 1
    renew(c, &w.curve[low])


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
    cdef int32_t a, v, n = c.n, m = c.m, at
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
        if reduced == 0:
            join(c, w, a)
    for v in range(1, n):
        if node[v].arc < 0:
            it = &c.arc[m]
            it.tail, it.head, it.cost = v, 0, -c.potential[v]
            c.capacity[m] = 0
            node[v].arc = m
            m += 1
    for v in range(1, n):
        c.state[node[v].arc] = TREE
    for a in range(c.m):
        if c.state[a] == UPPER:
            it = &c.arc[a]
            w.excess[it.tail] -= c.capacity[a]
            w.excess[it.head] += c.capacity[a]
    plant(c)
    w.waiting = 0
    w.next = 0
    for at in range(n - 1, 0, -1):
        v = c.line[at]
        w.excess[node[v].parent] += w.excess[v]
        node[v].up -= w.excess[v]
        node[v].down += w.excess[v]
        suspect(c, w, v)


cdef inline int64_t violation(Node *it) noexcept nogil:
    """Flow outside the bounds of a tree arc."""
    if it.up < 0:
        return -it.up
    return -it.down if it.down < 0 else 0


cdef inline void suspect(Circulation *c, Market *w, int32_t v) noexcept nogil:
    """Queue a node whose tree arc is out of bounds."""
    cdef int32_t at
    if w.queued[v] == 0 and violation(&c.node[v]) > 0:
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
        by = violation(&c.node[v])
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
        if node[x].size < node[y].size:
            node[x].up -= amount
            node[x].down += amount
            suspect(c, w, x)
            x = node[x].parent
        else:
            node[y].up += amount
            node[y].down -= amount
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
    cdef int64_t base = c.potential[curve.tail] - c.potential[curve.head], at, sum = 0
    cdef int32_t k = curve.turn, step = 1
    if not falling:
        k, step = k - 1, -1
    elif k < curve.last and c.state[k] == TREE:
        k += 1
    while curve.first <= k < curve.last:
        at = step * (c.arc[k].cost + base)
        if at > stop:
            break
        w.point[w.points].at = at
        w.point[w.points].arc = k
        w.points += 1
        sum += c.capacity[k]
        if sum >= excess:
            return at
        k += step
    return stop


cdef void breakpoints(Circulation *c, Market *w, int32_t top, int32_t sign, int64_t excess) noexcept nogil:
    """Changes of potential at which arcs across the edge of a subtree turn, up to where they surely suffice."""
    cdef int32_t v = top, members = c.node[top].size, i, j, a, first
    cdef int64_t at, base, stop = SAFE << 1
    cdef bint falling
    cdef Curve *curve
    w.points = 0
    for i in range(members):
        c.line[i] = v
        w.inside[v] = 1
        v = c.next[v]
    for i in range(members):
        v = c.line[i]
        # Free arcs are empty and matter only where their reduced cost falls: out of the region or into it.
        first = 3 * v + (1 if sign < 0 else 2)
        for j in range(w.start[first], w.start[first + 1]):
            if w.inside[w.incident[j].other]:
                continue
            a = w.incident[j].what
            at = c.arc[a].cost + c.potential[c.arc[a].tail] - c.potential[c.arc[a].head]
            if at <= stop and c.state[a] == LOWER:
                w.point[w.points].at = at
                w.point[w.points].arc = a
                w.points += 1
                stop = at
    for i in range(members):
        v = c.line[i]
        for j in range(w.start[3 * v], w.start[3 * v + 1]):
            if w.inside[w.incident[j].other]:
                continue
            curve = &w.curve[w.incident[j].what]
            if curve.turn < 0:
                renew(c, curve)
            base = c.potential[curve.tail] - c.potential[curve.head]
            falling = (curve.tail == v) == (sign < 0)
            if (curve.fills + base if falling else -curve.empties - base) <= stop:
                stop = passed(c, w, curve, falling, excess, stop)
    for i in range(members):
        w.inside[c.line[i]] = 0


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
    cdef int32_t u, v, a, n, i, sign, entering, stem, parent, held
    cdef int64_t excess, delta, flow, pivots = 0
    cdef Breakpoint *p = w.point
    for v in range(c.n):
        w.inside[v] = 0
    for i in range(w.n_curves):
        w.curve[i].turn = -1
    while True:
        u = worst(c, w)
        if u < 0:
            return pivots
        pivots += 1
        if pivots > most:
            return -1
        excess = violation(&node[u])
        # Too much leaves the region: its prices fall.
        sign = -1 if node[u].up < 0 else 1
        breakpoints(c, w, u, sign, excess)
        n = w.points
        for i in range(n // 2 - 1, -1, -1):
            sift(p, n, i)
        entering = -1
        while n > 0:
            a = p[0].arc
            delta = p[0].at
            if c.capacity[a] >= excess:
                entering = a
                break
            n -= 1
            p[0] = p[n]
            sift(p, n, 0)
            excess -= c.capacity[a]
            if c.state[a] == LOWER:
                c.state[a] = UPPER
                carry(c, w, arc[a].head, arc[a].tail, c.capacity[a])
            else:
                c.state[a] = LOWER
                carry(c, w, arc[a].tail, arc[a].head, c.capacity[a])
            turned(c, w, a)
        if entering < 0:
            return -1
        it = &arc[entering]
        if c.state[entering] == LOWER:
            flow = excess
            carry(c, w, it.head, it.tail, excess)
        else:
            flow = c.capacity[entering] - excess
            carry(c, w, it.tail, it.head, excess)
        # The end inside the region becomes its new top.
        held = node[u].size
        v = it.tail
        while node[v].size < held:
            v = node[v].parent
        stem = it.tail if v == u else it.head
        parent = it.head if v == u else it.tail
        a = node[u].arc
        c.state[a] = LOWER if (node[u].down if arc[a].tail == u else node[u].up) <= 0 else UPPER
        v = node[u].parent
        while v >= 0:
            node[v].size -= held
            v = node[v].parent
        v = parent
        while v >= 0:
            node[v].size += held
            v = node[v].parent
        if not rehang(c, stem, parent, u, entering, flow, sign * delta):
            return -1
        turned(c, w, a)
        turned(c, w, entering)
        v = u
        while True:
            suspect(c, w, v)
            if v == stem:
                break
            v = node[v].parent
