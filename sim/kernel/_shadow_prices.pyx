"""What the optimum says: prices and rents between the ends of their lattice, whole units, fills.

A `Solution` is a solved `Problem`; notation as there. Prices come from shortest paths in the residual graph of the optimal
flow, so they do not depend on the basis that was found.
"""

from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t, uint8_t

from sim.kernel._network_simplex cimport LOWER, Arc, Node, flow_of, plant, primal
from sim.kernel._order_book cimport NEVER, Entry, Problem, Site, Workspace, sort_entries, wide
from sim.kernel._shortest_paths cimport dequeue, enqueue, offer, take

# What rounding down left of an order's share of its class.
cdef struct Remainder:
    int64_t size
    int32_t order


cdef inline bint before(Remainder x, Remainder y) noexcept nogil:
    return x.size > y.size or (x.size == y.size and x.order < y.order)


cdef void largest_first(Remainder *r, int64_t n, int64_t wanted) noexcept nogil:
    """Bring the `wanted` first of n remainders to the front: repeated division around a middle one, in linear time.

    No two are equal, since no order stands twice.
    """
    cdef int64_t low = 0, high = n - 1, i, j
    cdef Remainder x, pivot
    while low < high:
        pivot = middle(r, low, high)
        i = low
        j = high
        while i <= j:
            while before(r[i], pivot):
                i += 1
            while before(pivot, r[j]):
                j -= 1
            if i <= j:
                x = r[i]
                r[i] = r[j]
                r[j] = x
                i += 1
                j -= 1
        # The first of them stand up to j, the last from i.
        if wanted <= j:
            high = j
        elif wanted >= i:
            low = i
        else:
            return


cdef Remainder middle(Remainder *r, int64_t low, int64_t high) noexcept nogil:
    """Median of nine remainders spread over the part in hand."""
    cdef Remainder seen[9]
    cdef Remainder x
    cdef int64_t step = (high - low) // 8
    cdef int i, j
    for i in range(9):
        seen[i] = r[low + i * step]
    for i in range(1, 9):
        x = seen[i]
        j = i
        while j > 0 and before(x, seen[j - 1]):
            seen[j] = seen[j - 1]
            j -= 1
        seen[j] = x
    return seen[4]


cdef class Solution(Problem):
    """Prices, rents, whole units and fills of one book; made by `clear`."""

    # potentials of goods, power sockets and cooling sockets
    cdef int64_t *value
    cdef int64_t *low
    cdef int64_t *high
    cdef int64_t *cheapest_unfilled
    cdef int64_t *dearest_filled
    cdef int64_t *best_unfilled
    cdef int64_t *worst_filled
    cdef int64_t *class_units     # sellable units offered or wanted
    # What `judge` was told, where prices were found elsewhere.
    cdef bint judged
    cdef const uint8_t[::1] gains
    cdef const uint8_t[::1] carries

    # -- prices ---------------------------------------------------------------------------------------------------

    def lattice(self):
        """Least and greatest optimal prices and rents."""
        cdef Workspace w = self.w
        cdef int64_t nodes = self.goods + 2 * self.S
        self.value = <int64_t *>w.room(nodes, 8)
        self.low = <int64_t *>w.room(nodes, 8)
        self.high = <int64_t *>w.room(nodes, 8)
        self.cheapest_unfilled = <int64_t *>w.room(self.goods, 8)
        self.dearest_filled = <int64_t *>w.room(self.goods, 8)
        self.best_unfilled = <int64_t *>w.room(self.goods, 8)
        self.worst_filled = <int64_t *>w.room(self.goods, 8)
        with nogil:
            self.postsolve()
            self.bounds()
            self.name_nodes()
            self.extreme(self.high, 1)
            self.extreme(self.low, -1)
            self.close()
            self.closed_rents(self.low)
            self.closed_rents(self.high)

    cdef void postsolve(self) noexcept nogil:
        """Prices that support the optimum on the whole book, from those of the kept part."""
        cdef int64_t v, first, x
        cdef int32_t k, s, l, t
        cdef bint any_kept
        cdef Site *site
        for k in range(self.K):
            first = <int64_t>k * self.S
            any_kept = False
            for v in range(first, first + self.S):
                if self.kept[v] > 0:
                    any_kept = True
                    x = self.c.potential[self.kept[v]]
                    x = self.a[v] if x < self.a[v] else x
                    self.value[v] = self.b[v] if x > self.b[v] else x
                else:
                    self.value[v] = self.ask[v] if self.ask[v] < self.big else self.big
            if not any_kept:
                for v in range(first, first + self.S):
                    self.value[v] = self.a[v]
                continue
            for v in range(first, first + self.S):
                if self.value[v] < self.big:
                    enqueue(&self.ring, v)
            while self.ring.size > 0:
                v = dequeue(&self.ring)
                s = v - first
                for l in range(self.w.out_start[s], self.w.out_start[s + 1]):
                    x = self.cost[<int64_t>k * self.L + l]
                    if x < 0:
                        continue
                    t = first + self.w.target[l]
                    x += self.value[v]
                    if self.kept[t] == 0 and x < self.value[t]:
                        self.value[t] = x
                        enqueue(&self.ring, t)
        # Where nobody buys, the circulation lets a rent be negative; 0 supports the optimum as well.
        for s in range(self.S):
            site = &self.site[s]
            x = self.c.potential[site.power_node] if site.power_node > 0 else 0
            self.value[self.goods + s] = x if x < 0 else 0
            x = self.value[self.goods + s]
            if site.cooling_node > 0 and self.c.potential[site.cooling_node] < x:
                x = self.c.potential[site.cooling_node]
            self.value[self.goods + self.S + s] = x

    cdef void bounds(self) noexcept nogil:
        """Per good: what unfilled and filled orders say about the price. Where rent is 0, bids say it directly."""
        cdef int64_t v, c, x, filled
        cdef int32_t s, k
        cdef Site *site
        cdef bint full
        for v in range(self.goods):
            x = self.post[2 * v].left_out
            self.cheapest_unfilled[v] = x if x < self.big else self.big
            self.dearest_filled[v] = 0
            x = self.post[2 * v + 1].left_out
            self.best_unfilled[v] = -x if x < NEVER and self.barred[v] < 0 else -1
            self.worst_filled[v] = NEVER
        for s in range(self.S):
            self.site[s].demand = 0
            self.site[s].liquid_demand = 0
        for c in range(self.n_classes):
            v = self.class_post[c] >> 1
            x = self.class_price[c]
            filled = self.class_flow[c]
            full = filled == self.c.capacity[self.class_arc[c]]
            if self.class_post[c] & 1 == 0:
                if filled > 0 and x > self.dearest_filled[v]:
                    self.dearest_filled[v] = x
                if not full and x < self.cheapest_unfilled[v]:
                    self.cheapest_unfilled[v] = x
            else:
                if filled > 0 and x < self.worst_filled[v]:
                    self.worst_filled[v] = x
                if not full and x > self.best_unfilled[v]:
                    self.best_unfilled[v] = x
                if filled > 0:
                    k = self.row_of(v)
                    s = v - k * self.S
                    self.site[s].demand += filled
                    if self.w.liquid[self.product_of[k]]:
                        self.site[s].liquid_demand += filled
        for s in range(self.S):
            site = &self.site[s]
            site.power_slack = site.demand < site.power
            site.cooling_slack = site.liquid_demand < site.cooling
        for v in range(self.goods):
            if self.socket(v // self.S, v % self.S) == 0:
                if self.best_unfilled[v] > self.dearest_filled[v]:
                    self.dearest_filled[v] = self.best_unfilled[v]
                if self.worst_filled[v] < self.cheapest_unfilled[v]:
                    self.cheapest_unfilled[v] = self.worst_filled[v]

    cdef void name_nodes(self) noexcept nogil:
        """Good or socket of every node of the circulation."""
        cdef int64_t v
        cdef int32_t s
        for v in range(self.goods):
            if self.kept[v] > 0:
                self.c.line[self.kept[v]] = v
        for s in range(self.S):
            if self.site[s].power_node > 0:
                self.c.line[self.site[s].power_node] = self.goods + s
            if self.site[s].cooling_node > 0:
                self.c.line[self.site[s].cooling_node] = self.goods + self.S + s

    cdef inline bint here(self, int64_t v) noexcept nogil:
        """An order stands here."""
        return self.post[2 * v].best < NEVER or self.post[2 * v + 1].best < NEVER

    cdef inline bint nowhere(self, int64_t v) noexcept nogil:
        """Nothing on offer can be brought here."""
        return self.a[v] == self.big

    cdef inline void relax(self, int64_t x, int64_t y, int64_t key, int64_t length, int32_t sign, int64_t *found) noexcept nogil:
        cdef int64_t r = key + length + sign * (self.value[x] - self.value[y])
        if r < found[y]:
            found[y] = r
            offer(&self.heap, y, r)

    cdef inline void touch(self, int64_t v, int64_t y, int64_t length, int32_t sign, bint pull, int64_t *found) noexcept nogil:
        if pull:
            self.relax(y, v, 0, length, sign, found)
        else:
            self.relax(v, y, found[v], length, sign, found)

    cdef void spread(self, int64_t v, int32_t sign, bint pull, int64_t *out) noexcept nogil:
        """Relax the residual arcs from one node, or those to it from nodes at distance 0.

        Seen from their other end, the arcs of one pass are those of the other. What comes no nearer than v itself need not be
        looked at: no length is negative.
        """
        cdef int64_t y, first, key = out[v], power0 = self.goods, cooling0 = self.goods + self.S
        cdef int64_t *cost
        cdef int64_t *flow
        cdef int32_t *ends
        cdef bint needs_liquid, along = (sign > 0) != pull
        cdef int32_t k, s, l, i
        cdef Site *site
        if v < self.goods:
            k = self.row_of(v)
            s = v - <int64_t>k * self.S
            first = v - s
            cost = self.cost + <int64_t>k * self.L
            flow = self.lane_flow + <int64_t>k * self.L
            ends = self.w.target
            for l in range(self.w.out_start[s], self.w.out_start[s + 1]):
                y = first + ends[l]
                if (out[y] != 0) if pull else (out[y] <= key):
                    continue
                if along:
                    if cost[l] >= 0 and not self.nowhere(y):
                        self.touch(v, y, cost[l], sign, pull, out)
                elif flow[l] > 0:
                    self.touch(v, y, -cost[l], sign, pull, out)
            ends = self.w.origin
            for i in range(self.w.in_start[s], self.w.in_start[s + 1]):
                l = self.w.in_lane[i]
                y = first + ends[l]
                if (out[y] != 0) if pull else (out[y] <= key):
                    continue
                if not along:
                    if cost[l] >= 0 and not (sign > 0 and self.nowhere(v)):
                        self.touch(v, y, cost[l], sign, pull, out)
                elif flow[l] > 0:
                    self.touch(v, y, -cost[l], sign, pull, out)
            site = &self.site[s]
            y = -1
            if self.w.liquid[self.product_of[k]] and site.cooling_node > 0:
                y = cooling0 + s
            elif site.power_node > 0:
                y = power0 + s
            if y >= 0 and not (pull and out[y] != 0):
                if along and self.best_unfilled[v] >= 0:
                    self.touch(v, y, -self.best_unfilled[v], sign, pull, out)
                elif not along and self.worst_filled[v] < NEVER:
                    self.touch(v, y, self.worst_filled[v], sign, pull, out)
            return
        s = (v - self.goods) % self.S
        site = &self.site[s]
        for k in range(self.K):
            y = <int64_t>k * self.S + s
            if (out[y] != 0) if pull else (out[y] <= key):
                continue
            needs_liquid = self.w.liquid[self.product_of[k]] != 0 and site.cooling_node > 0
            if needs_liquid != (v >= cooling0):
                continue
            if along and self.worst_filled[y] < NEVER:
                self.touch(v, y, self.worst_filled[y], sign, pull, out)
            elif not along and self.best_unfilled[y] >= 0:
                self.touch(v, y, -self.best_unfilled[y], sign, pull, out)
        if site.power_node > 0 and site.cooling_node > 0:
            y = cooling0 + s if v < cooling0 else power0 + s
            if not (pull and out[y] != 0) and (along == (v < cooling0) or site.cooling_slack):
                self.touch(v, y, 0, sign, pull, out)

    cdef int64_t tied(self, int32_t sign, int64_t *out) noexcept nogil:
        """Nodes that the tree ties to the root by arcs with room in the direction wanted: their distance is 0.

        The tree of the primal method has room towards the root everywhere, so the lowest prices of all that trades are its own.
        Returns how many there are.
        """
        cdef int32_t x, parent
        cdef int64_t v, found = 0
        cdef Node *it
        if self.c.m == 0:
            return 0
        x = self.c.next[0]
        while x != 0:
            it = &self.c.node[x]
            v = self.c.line[x]
            parent = it.parent
            # Prices that were clipped to what can be asked and bid are no longer those of the tree.
            if (it.down if sign > 0 else it.up) > 0 and self.value[v] == self.c.potential[x] and (
                    parent == 0 or out[self.c.line[parent]] == 0
                    and self.value[self.c.line[parent]] == self.c.potential[parent]):
                out[v] = 0
                found += 1
            x = self.c.next[x]
        return found

    cdef void extreme(self, int64_t *out, int32_t sign) noexcept nogil:
        """Greatest (sign 1) or least (-1) potentials: shortest paths from or to the root over the residual graph.

        Lengths are reduced by the known optimum, so none is negative, and many are 0. ``out`` holds distances first, then
        potentials.
        """
        cdef int64_t v, nodes = self.goods + 2 * self.S, power0 = self.goods, cooling0 = self.goods + self.S
        cdef int32_t s
        cdef bint few
        cdef Site *site
        for v in range(nodes):
            out[v] = NEVER
        for v in range(self.goods):
            if sign > 0:
                if not self.nowhere(v):
                    out[v] = self.cheapest_unfilled[v] - self.value[v]
            else:
                out[v] = self.value[v] - self.dearest_filled[v]
        for s in range(self.S):
            site = &self.site[s]
            if site.power_node > 0 and (sign > 0 or site.power_slack):
                out[power0 + s] = -self.value[power0 + s]
            if site.cooling_node > 0 and site.power_node == 0 and (sign > 0 or site.cooling_slack):
                out[cooling0 + s] = -self.value[cooling0 + s]
        # Either those at distance 0 tell the others, or the others ask them, whichever are fewer.
        few = 2 * self.tied(sign, out) < nodes
        for v in range(nodes):
            if out[v] != 0 and not few:
                self.spread(v, sign, True, out)
            if out[v] < NEVER and (few or out[v] != 0):
                offer(&self.heap, v, out[v])
        while True:
            v = take(&self.heap)
            if v < 0:
                break
            self.spread(v, sign, False, out)
        for v in range(self.goods):
            out[v] = self.value[v] + sign * out[v]
        for s in range(self.S):
            out[power0 + s] = self.value[power0 + s] + sign * out[power0 + s] if self.site[s].power_node > 0 else 0
            if self.site[s].cooling_node > 0:
                out[cooling0 + s] = self.value[cooling0 + s] + sign * out[cooling0 + s]
            else:
                out[cooling0 + s] = out[power0 + s]

    cdef void close(self) noexcept nogil:
        """Where nothing can be bought, the highest price is what a unit standing there would fetch."""
        cdef int64_t v, first, x, y
        cdef int32_t k, s, l, i
        for k in range(self.K):
            first = <int64_t>k * self.S
            for s in range(self.S):
                v = first + s
                if not self.nowhere(v):
                    continue
                x = 0
                if self.best_unfilled[v] >= 0:
                    y = self.goods + s
                    if self.w.liquid[self.product_of[k]]:
                        y += self.S
                    x = self.best_unfilled[v] + self.high[y]
                for l in range(self.w.out_start[s], self.w.out_start[s + 1]):
                    y = first + self.w.target[l]
                    if self.cost[<int64_t>k * self.L + l] >= 0 and not self.nowhere(y):
                        if self.high[y] - self.cost[<int64_t>k * self.L + l] > x:
                            x = self.high[y] - self.cost[<int64_t>k * self.L + l]
                self.high[v] = x if x > 0 else 0
                enqueue(&self.ring, v)
            while self.ring.size > 0:
                v = dequeue(&self.ring)
                s = v - first
                for i in range(self.w.in_start[s], self.w.in_start[s + 1]):
                    l = self.w.in_lane[i]
                    y = first + self.w.origin[l]
                    if self.cost[<int64_t>k * self.L + l] < 0 or not self.nowhere(y):
                        continue
                    x = self.high[v] - self.cost[<int64_t>k * self.L + l]
                    if x > self.high[y]:
                        self.high[y] = x
                        enqueue(&self.ring, y)

    cdef void closed_rents(self, int64_t *value) noexcept nogil:
        """Rent of sockets without headroom: the largest surplus per watt that they keep out."""
        cdef int64_t v, x, power0 = self.goods, cooling0 = self.goods + self.S
        cdef int32_t s, k
        for v in range(self.goods):
            if self.barred[v] >= 0:
                s = v % self.S
                x = value[v] - self.barred[v]
                if self.site[s].power == 0 and x < value[power0 + s]:
                    value[power0 + s] = x
        for s in range(self.S):
            if self.site[s].power == 0:
                value[cooling0 + s] = value[power0 + s]
        # A barred bid where there is power wants cooling.
        for v in range(self.goods):
            if self.barred[v] >= 0:
                s = v % self.S
                x = value[v] - self.barred[v]
                if self.site[s].power > 0 and x < value[cooling0 + s]:
                    value[cooling0 + s] = x

    def judge(self, const int64_t[::1] class_flow, const uint8_t[::1] gains, const uint8_t[::1] carries):
        """Take the divisible fill of every class, which of them gain and which lanes carry at prices that were found elsewhere."""
        cdef int64_t c
        for c in range(self.n_classes):
            self.class_flow[c] = class_flow[c]
        self.gains, self.carries = gains, carries
        self.judged = True

    # -- whole units ------------------------------------------------------------------------------------------------

    def round(self, double theta):
        """Replace the flow by one in sellable units, feasible and without loss at the prices of ``theta``.

        Buys are cut to whole units of their divisible fill, sells to whole units on offer; lanes that are not tight and
        orders out of the money stay out. Headroom cannot bind then, so products separate, every capacity is a multiple of
        one unit, and a basic optimum is whole. Room that cutting left is offered again, best surplus per watt first.
        """
        cdef Entry *entry
        if self.c.m == 0:
            return
        entry = <Entry *>self.w.room(self.n_classes, sizeof(Entry))
        self.class_units = <int64_t *>self.w.room(self.n_classes, 8)
        with nogil:
            self.cut(theta, entry)
        self.keep_flow()

    cdef void cut(self, double theta, Entry *entry) noexcept nogil:
        cdef int64_t c, v, e, unit, x, extra, amount, granted = 0
        cdef int32_t j, s, a
        cdef int64_t n_short = 0
        for c in range(self.n_classes):
            unit = self.unit[(self.class_post[c] >> 1) // self.S]
            self.class_units[c] = 0
            for e in range(self.class_start[c], self.class_start[c + 1]):
                self.class_units[c] += self.quantity[self.sorted_orders[e]] // unit
        for s in range(self.S):
            self.site[s].demand = 0
            self.site[s].liquid_demand = 0
        for c in range(self.n_classes):
            v = self.class_post[c] >> 1
            unit = self.unit[v // self.S] * self.flow_per_gpu[v // self.S]
            x = self.class_units[c]
            if not self.in_money(c, theta):
                x = 0
            elif self.class_post[c] & 1:
                if x > self.class_flow[c] // unit:
                    x = self.class_flow[c] // unit
                    entry[n_short].price = -self.class_price[c]
                    entry[n_short].order = c
                    n_short += 1
                self.site[v % self.S].demand += x * unit
                if self.w.liquid[self.product_of[v // self.S]]:
                    self.site[v % self.S].liquid_demand += x * unit
            elif x > self.total // unit:
                x = self.total // unit
            self.c.capacity[self.class_arc[c]] = x * unit
        for j in range(self.n_lane_arcs):
            if not self.tight(self.lane_good_lane[j], theta):
                self.c.capacity[self.lane_arc[j]] = 0
        self.resolve()
        # Bids not fully served, best first: one or more units where the headroom left covers them.
        sort_entries(entry, n_short)
        for s in range(self.S):
            self.site[s].demand = 0
            self.site[s].liquid_demand = 0
        for c in range(self.n_classes):
            if self.class_post[c] & 1:
                amount = flow_of(&self.c, self.class_arc[c])
                v = self.class_post[c] >> 1
                self.site[v % self.S].demand += amount
                if self.w.liquid[self.product_of[v // self.S]]:
                    self.site[v % self.S].liquid_demand += amount
        for j in range(n_short):
            c = entry[j].order
            v = self.class_post[c] >> 1
            s = v % self.S
            unit = self.unit[v // self.S] * self.flow_per_gpu[v // self.S]
            a = self.class_arc[c]
            extra = (self.site[s].power - self.site[s].demand) // unit
            if self.w.liquid[self.product_of[v // self.S]]:
                x = (self.site[s].cooling - self.site[s].liquid_demand) // unit
                extra = x if x < extra else extra
            x = self.class_units[c] - self.c.capacity[a] // unit
            extra = x if x < extra else extra
            if extra > 0:
                self.c.capacity[a] += extra * unit
                self.site[s].demand += extra * unit
                if self.w.liquid[self.product_of[v // self.S]]:
                    self.site[s].liquid_demand += extra * unit
                granted += 1
        if granted:
            self.resolve()

    cdef bint in_money(self, int64_t c, double theta) noexcept nogil:
        """No loss at the prices of theta. Linear between the ends, so the test at both ends is exact where it is tight."""
        cdef int64_t v = self.class_post[c] >> 1, y
        cdef double at_low, at_high
        if self.judged:
            return self.gains[c] != 0
        if self.class_post[c] & 1 == 0:
            at_low = <double>(self.low[v] - self.class_price[c])
            at_high = <double>(self.high[v] - self.class_price[c])
        else:
            y = self.goods + v % self.S + (self.S if self.w.liquid[self.product_of[v // self.S]] else 0)
            at_low = <double>(self.class_price[c] - self.low[v] + self.low[y])
            at_high = <double>(self.class_price[c] - self.high[v] + self.high[y])
        return at_low + theta * (at_high - at_low) >= 0

    cdef bint tight(self, int64_t kl, double theta) noexcept nogil:
        """Freight equals the price difference at the prices of theta."""
        cdef int64_t k = kl // self.L, l = kl % self.L
        cdef int64_t u = k * self.S + self.w.origin[l], t = k * self.S + self.w.target[l]
        cdef int64_t x, y
        if self.judged:
            return self.carries[kl] != 0
        x = self.cost[kl] + self.low[u] - self.low[t]
        y = self.cost[kl] + self.high[u] - self.high[t]
        return (x == 0 or theta == 1.0) and (y == 0 or theta == 0.0)

    cdef void resolve(self) noexcept nogil:
        """Optimal flow under the arcs' present capacities, from an empty start.

        Goods may be left at a good for one scaled unit of cost, so an optimum never does; it anchors the first tree.
        """
        cdef int32_t v, a, m = self.c.m
        cdef int64_t pivots
        cdef Arc *it
        for a in range(m):
            self.c.state[a] = LOWER
        for v in range(1, self.n_kept + 1):
            it = &self.c.arc[m + v - 1]
            it.tail, it.head, it.cost = v, 0, 1
            self.c.capacity[m + v - 1] = self.total + 1
            self.c.node[v].arc = m + v - 1
        # Sockets hang by the arc that leaves them.
        for a in range(m):
            if self.c.arc[a].tail > self.n_kept:
                self.c.node[self.c.arc[a].tail].arc = a
        self.c.m = m + self.n_kept
        plant(&self.c)
        pivots = primal(&self.c)
        self.c.m = m
        self.pivots += pivots if pivots > 0 else 0

    # -- results ----------------------------------------------------------------------------------------------------

    def surplus(self):
        """Scaled surplus of the present flow, as a float."""
        cdef wide sum = 0
        cdef int64_t c
        cdef int32_t j
        for c in range(self.n_classes):
            sum += (<wide>self.class_price[c]) * (self.class_flow[c] if self.class_post[c] & 1 else -self.class_flow[c])
        for j in range(self.n_lane_arcs):
            sum -= (<wide>self.cost[self.lane_good_lane[j]]) * self.lane_flow[self.lane_good_lane[j]]
        return <double>sum

    def report(self, double theta, double[::1] filled, double[:, ::1] out, double scale):
        """Write fills other than 0, and prices and rents in cents.

        Rows of ``out``: price, lowest and highest price of every product, power rent, cooling rent.
        """
        cdef int64_t i, v, c
        cdef int32_t k, s, g
        cdef double per, low, high, p, q, watt = <double>self.watt
        cdef int32_t G = self.w.G
        with nogil:
            for c in range(self.n_classes):
                if self.class_flow[c] > 0:
                    v = self.class_post[c] >> 1
                    per = <double>self.class_flow[c] / <double>self.flow_per_gpu[self.row_of(v)]
                    per /= <double>self.class_gpus[c]
                    for i in range(self.class_start[c], self.class_start[c + 1]):
                        filled[self.sorted_orders[i]] = self.quantity[self.sorted_orders[i]] * per
            for g in range(G):
                k = self.row[g]
                for s in range(self.S):
                    v = <int64_t>k * self.S + s
                    if k < 0 or (self.a[v] == self.big and self.b[v] == 0 and not self.here(v)):
                        out[g, s] = out[G + g, s] = out[2 * G + g, s] = NAN
                        continue
                    per = <double>self.flow_per_gpu[k] / scale
                    low = <double>self.low[v] * per
                    high = <double>self.high[v] * per
                    out[g, s] = low + theta * (high - low)
                    out[G + g, s] = low
                    out[2 * G + g, s] = high
            for s in range(self.S):
                p = -(self.low[self.goods + s] + theta * <double>(self.high[self.goods + s] - self.low[self.goods + s]))
                v = self.goods + self.S + s
                q = -(self.low[v] + theta * <double>(self.high[v] - self.low[v]))
                out[3 * G, s] = p * watt / scale if p > 0 else 0.0
                out[3 * G + 1, s] = (q - p) * watt / scale if q > p else 0.0

    def whole_fills(self, int64_t[::1] filled):
        """Whole units of every class shared by largest remainder, then by order of the book."""
        cdef Remainder *rest = <Remainder *>self.w.room(self.n, sizeof(Remainder))
        cdef int64_t *out = &filled[0] if self.n else NULL
        with nogil:
            self.share_units(rest, out)

    cdef void share_units(self, Remainder *rest, int64_t *out) noexcept nogil:
        cdef int64_t i, c, e, units, have, left, unit, n
        cdef wide share
        for i in range(self.n):
            out[i] = 0
        for c in range(self.n_classes):
            unit = self.unit[self.row_of(self.class_post[c] >> 1)]
            units = self.class_flow[c] // self.flow_per_gpu[self.row_of(self.class_post[c] >> 1)] // unit
            if units == 0:
                continue
            left = units
            n = 0
            for e in range(self.class_start[c], self.class_start[c + 1]):
                i = self.sorted_orders[e]
                have = self.quantity[i] // unit
                share = <wide>units * have
                out[i] = <int64_t>(share // self.class_units[c])
                left -= out[i]
                if out[i] < have:
                    rest[n].size = <int64_t>(share - <wide>out[i] * self.class_units[c])
                    rest[n].order = i
                    n += 1
            # Fewer units are left than orders with a remainder, and none of these is full.
            largest_first(rest, n, left)
            for e in range(left):
                out[rest[e].order] += 1
            for e in range(self.class_start[c], self.class_start[c + 1]):
                out[self.sorted_orders[e]] *= unit

    @property
    def moves(self):
        """Lanes in use."""
        cdef int32_t j, n = 0
        for j in range(self.n_lane_arcs):
            n += self.lane_flow[self.lane_good_lane[j]] > 0
        return n

    def moved(self, int64_t[::1] lane, int64_t[::1] product, double[::1] quantity):
        """Fill in lane, product and GPUs of the lanes in use."""
        cdef int32_t j, l
        cdef int64_t kl, k, n = 0
        for j in range(self.n_lane_arcs):
            kl = self.lane_good_lane[j]
            if self.lane_flow[kl] > 0:
                k = kl // self.L
                l = kl - k * self.L
                lane[n] = self.w.named[l]
                product[n] = self.product_of[k]
                quantity[n] = <double>self.lane_flow[kl] / <double>self.flow_per_gpu[k]
                n += 1

    def evidence(self):
        """What the certificate needs, of the divisible optimum; the caller proves it without this module.

        Classes of the orders, fills of the classes, flows of the lanes, and both ends of the lattice if they are known.
        """
        cdef int64_t size = (self.goods + 2 * self.S) * sizeof(int64_t)
        if self.low == NULL:
            return self.members, self.class_flows, self.lane_flows, b"", b""
        return self.members, self.class_flows, self.lane_flows, (<char *>self.low)[:size], (<char *>self.high)[:size]

    @property
    def classes(self):
        """Number of classes that can trade."""
        return self.n_classes
