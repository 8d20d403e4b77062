"""From orders to a circulation: which of them can trade at all, in which classes, along which arcs, from which start.

Notation: product row k, node s, good v = k * S + s. Prices and costs are scaled integers per unit of flow (a watt, or a
fraction of one), so that a good's price, a lane's freight and a socket's rent are potentials of one circulation. Proofs are in
docs/kernel.md. A `Workspace` belongs to one thread at a time.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport floor
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memset

from sim.kernel._network_simplex cimport (
    LOWER, Arc, Breakpoint, Curve, Market, Meeting, Node, crash, dual, flow_of, incidence, plant, primal,
)
from sim.kernel._shortest_paths cimport dequeue, enqueue, offer, take

cdef extern from *:
    """
    #ifdef __SANITIZE_ADDRESS__
    #define APART 1
    #else
    #define APART 0
    #endif
    """
    # The sanitizer sees the end of an array only if it is allocated by itself.
    const bint APART

cdef int64_t LARGEST = <int64_t>1 << 60
# The dearest price that is taken, cents per GPU (`sim.kernel.book`).
cdef int64_t DEAREST = 10**15
# The price of goods that cannot be had: above every bid.
cdef int64_t NOWHERE = <int64_t>1 << 60


cdef int by_price(const void *x, const void *y) noexcept nogil:
    cdef int64_t a = (<const Entry *>x).price, b = (<const Entry *>y).price
    return (a > b) - (a < b)


cdef void quicksort(Entry *e, int64_t n, int depth) noexcept nogil:
    """Quicksort by price; what is short is inserted, what is stubborn left to the library."""
    cdef int64_t i, j, pivot, low, high
    cdef Entry x
    while n > FEW:
        if depth == 0:
            qsort(e, n, sizeof(Entry), by_price)
            return
        depth -= 1
        low, pivot, high = e[0].price, e[n // 2].price, e[n - 1].price
        if low > high:
            low, high = high, low
        pivot = low if pivot < low else high if pivot > high else pivot
        i = 0
        j = n - 1
        while i <= j:
            while e[i].price < pivot:
                i += 1
            while e[j].price > pivot:
                j -= 1
            if i <= j:
                x = e[i]
                e[i] = e[j]
                e[j] = x
                i += 1
                j -= 1
        # 0 to j and i to n - 1 are left; the shorter part first, so that the stack stays flat.
        if j + 1 < n - i:
            quicksort(e, j + 1, depth)
            e += i
            n -= i
        else:
            quicksort(e + i, n - i, depth)
            n = j + 1
    for i in range(1, n):
        x = e[i]
        j = i
        while j > 0 and e[j - 1].price > x.price:
            e[j] = e[j - 1]
            j -= 1
        e[j] = x


cdef void sort_entries(Entry *e, int64_t n) noexcept nogil:
    quicksort(e, n, 40)


cdef class Workspace:
    """The graph of one network, and memory that is kept from one clearing to the next."""

    def __cinit__(self, int n_nodes, const int32_t[:, ::1] lanes, const int64_t[:, ::1] freight,
                  const uint8_t[::1] liquid, const int32_t[::1] given, const int64_t[::1] named):
        cdef int32_t l, i, e
        self.S, self.G, self.L = n_nodes, freight.shape[0], lanes.shape[0]
        self.freight, self.liquid, self.given, self.named = freight, liquid, given, named
        self.origin = <int32_t *>malloc((3 * self.L + 2 * self.S + 8) * sizeof(int32_t))
        self.spill = <char **>malloc(256 * sizeof(void *))
        if self.origin == NULL or self.spill == NULL:
            raise MemoryError("the clearing kernel needs memory for its network")
        self.target = self.origin + self.L
        self.in_lane = self.target + self.L
        self.out_start = self.in_lane + self.L
        self.in_start = self.out_start + self.S + 2
        memset(self.out_start, 0, (2 * self.S + 4) * sizeof(int32_t))
        for l in range(self.L):
            self.origin[l] = lanes[l, 0]
            self.target[l] = lanes[l, 1]
            self.out_start[self.origin[l] + 1] += 1
            self.in_start[self.target[l] + 2] += 1
        for i in range(1, self.S + 2):
            self.out_start[i] += self.out_start[i - 1]
            self.in_start[i] += self.in_start[i - 1]
        # Starts are kept one place late while filling, and are right afterwards.
        for e in range(self.L):
            l = given[e]
            i = self.target[l] + 1
            self.in_lane[self.in_start[i]] = l
            self.in_start[i] += 1

    def __dealloc__(self):
        self.reset()
        free(self.block)
        free(self.spill)
        free(self.origin)

    cdef void reset(self) noexcept:
        cdef int i
        for i in range(self.spilled):
            free(self.spill[i])
        self.spilled = 0
        self.used = 0

    cdef void *room(self, int64_t count, size_t size) except NULL:
        """Uninitialised memory until the next clearing."""
        cdef size_t n = <size_t>count * size + (count == 0) if APART else ((count + 1) * size + 63) & ~<size_t>63
        cdef char *got
        self.wanted += n
        if self.used + n <= self.block_size:
            got = self.block + self.used
            self.used += n
            return got
        got = <char *>malloc(n)
        if got == NULL or self.spilled == 256:
            free(got)
            raise MemoryError("the clearing kernel needs more memory")
        self.spill[self.spilled] = got
        self.spilled += 1
        return got

    cdef void release(self, size_t before) noexcept:
        """Hand back what was taken from the block since it stood at `before`."""
        self.wanted -= self.used - before
        self.used = before

    cdef void begin(self, size_t expected) except *:
        """Forget the last clearing; grow the block to what it needed, or this one may."""
        self.reset()
        if self.most < self.wanted:
            self.most = self.wanted
        if expected < self.most:
            expected = self.most
        if expected > self.block_size and not APART:
            free(self.block)
            expected += expected // 4
            self.block = <char *>malloc(expected)
            self.block_size = 0 if self.block == NULL else expected
        self.wanted = 0

    @property
    def bytes(self):
        """Memory used at most; of the block, what was never touched is not there."""
        return (self.wanted if self.wanted > self.most else self.most) + (3 * self.L + 2 * self.S + 8) * sizeof(int32_t)

    def gauge(self, const int8_t[::1] side, const int32_t[::1] node, const int32_t[::1] product,
              const int64_t[::1] quantity, const int64_t[::1] price, const int64_t[::1] power,
              const int64_t[::1] cooling):
        """Take a book in hand, which must outlive its clearing: check lengths and ranges, measure it.

        Returns ``(rule, position, highest price, products)``, the last one byte for each, 1 if an order of positive quantity
        stands. Rule 0 is no fault, then 1 side, 2 node, 3 generation, 4 quantity, 5 price, 6 power, 7 cooling, 8 quantity times
        price, 9 lengths, 10 all quantities.
        """
        cdef int64_t i = 0, highest = 1, n = side.shape[0]
        cdef double goods = 0.0
        cdef int rule = 0
        cdef bytearray active = bytearray(self.G)
        cdef uint8_t *mark = active
        if not (node.shape[0] == product.shape[0] == quantity.shape[0] == price.shape[0] == n
                and power.shape[0] == cooling.shape[0] == self.S):
            return 9, 0, 0, b""
        self.n = n
        if n:
            self.side, self.node, self.product = &side[0], &node[0], &product[0]
            self.quantity, self.price = &quantity[0], &price[0]
        if self.S:
            self.power, self.cooling = &power[0], &cooling[0]
        with nogil:
            for i in range(n):
                if side[i] != 0 and side[i] != 1:
                    rule = 1
                elif node[i] < 0 or node[i] >= self.S:
                    rule = 2
                elif product[i] < 0 or product[i] >= self.G:
                    rule = 3
                elif quantity[i] < 0:
                    rule = 4
                elif price[i] < 0 or price[i] > DEAREST:
                    rule = 5
                elif <double>quantity[i] * <double>price[i] >= 4.0e18:
                    rule = 8
                elif goods + <double>quantity[i] > 4.0e18:
                    rule = 10
                else:
                    goods += <double>quantity[i]
                    if quantity[i] > 0:
                        mark[product[i]] = 1
                        if price[i] > highest:
                            highest = price[i]
                    continue
                break
            else:
                i = 0
                while i < self.S and rule == 0:
                    if power[i] < 0:
                        rule = 6
                    elif cooling[i] < 0:
                        rule = 7
                    else:
                        i += 1
        return rule, i, highest, bytes(active)


cdef class Scaling:
    """Integer scales of a set of products, see `sim.kernel.clearing`."""

    def __cinit__(self, const int32_t[::1] row, const int32_t[::1] product_of, const int64_t[::1] flow_per_gpu,
                  const int64_t[::1] unit, const int64_t[::1] multiplier, const double[::1] factor, bint exact,
                  int64_t watt):
        self.row, self.product_of, self.flow_per_gpu, self.unit = row, product_of, flow_per_gpu, unit
        self.multiplier, self.factor, self.exact, self.watt = multiplier, factor, exact, watt

    def __reduce__(self):
        return Scaling, (self.row.base, self.product_of.base, self.flow_per_gpu.base, self.unit.base,
                         self.multiplier.base, self.factor.base, self.exact, self.watt)


cdef class Problem:
    """One book as a circulation, and its optimal flow; all memory is the workspace's."""

    # -- presolve: what can trade with a gain ---------------------------------------------------------------------

    def __cinit__(self, Workspace w, Scaling scaling):
        cdef int64_t K = scaling.product_of.shape[0], S = w.S, L = w.L, n = w.n, goods = K * S, all_nodes
        w.begin(128 * n + 512 * goods + 96 * K * L + 512 * S)
        self.w, self.K, self.S, self.L, self.n, self.goods = w, K, S, L, n, goods
        self.row, self.product_of = &scaling.row[0], &scaling.product_of[0]
        self.flow_per_gpu, self.unit = &scaling.flow_per_gpu[0], &scaling.unit[0]
        self.multiplier, self.factor = &scaling.multiplier[0], &scaling.factor[0]
        self.exact, self.watt = scaling.exact, scaling.watt
        self.side, self.node, self.product, self.quantity, self.price = w.side, w.node, w.product, w.quantity, w.price
        all_nodes = goods + 2 * S
        # What proves the optimum outlives this object, and is handed over as it is.
        self.members = PyBytes_FromStringAndSize(NULL, 4 * n)
        self.member = <int32_t *>PyBytes_AS_STRING(self.members)
        self.post = <Post *>w.room(2 * goods, sizeof(Post))
        self.barred = <int64_t *>w.room(goods, 8)
        self.ask = <int64_t *>w.room(goods, 8)
        self.bid = <int64_t *>w.room(goods, 8)
        self.a = <int64_t *>w.room(goods, 8)
        self.b = <int64_t *>w.room(goods, 8)
        self.onward = <int32_t *>w.room(goods, 4)
        self.kept = <int32_t *>w.room(goods, 4)
        self.cost = <int64_t *>w.room(K * L, 8)
        self.site = <Site *>w.room(S, sizeof(Site))
        self.heap.label = <int64_t *>w.room(all_nodes, 8)
        self.heap.after = <int32_t *>w.room(all_nodes, 4)
        self.heap.before = <int32_t *>w.room(all_nodes, 4)
        self.heap.place = <int8_t *>w.room(all_nodes, 1)
        self.ring.node = <int32_t *>w.room(all_nodes, 4)
        self.ring.inside = <int8_t *>w.room(all_nodes, 1)
        self.ring.capacity = all_nodes
        with nogil:
            self.heap.last = 0
            self.heap.some = 0
            memset(self.heap.place, 255, all_nodes)
            self.ring.first = 0
            self.ring.size = 0
            memset(self.ring.inside, 0, all_nodes)
            self.read()
            if self.overflow < 0:
                self.reach_asks()
                self.reach_bids()
                self.rank()
        if self.overflow < 0:
            self.collect()

    cdef void read(self) noexcept nogil:
        """Scale costs, find the best order of each side at each good."""
        cdef int64_t i, v, x, most = LARGEST // self.watt
        cdef uint64_t total = 0
        cdef double weight = 0.0
        cdef int32_t k, l, s, g
        cdef Post *post
        for s in range(self.S):
            x = self.w.power[s]
            self.site[s].power = (x if x < most else most) * self.watt
            x = self.w.cooling[s]
            self.site[s].cooling = (x if x < most else most) * self.watt
            self.site[s].demand = 0
            self.site[s].liquid_demand = 0
            self.site[s].power_node = 0
            self.site[s].cooling_node = 0
            self.site[s].power_slack = 1
            self.site[s].cooling_slack = 1
        for k in range(self.K):
            g = self.product_of[k]
            for l in range(self.L):
                x = self.w.freight[g, l]
                if self.w.origin[l] == self.w.target[l]:
                    x = -1
                elif x > 0:
                    # Rounded down in fixed point, so that no price difference exceeds the true freight.
                    x = x * self.multiplier[k] if self.exact else <int64_t>floor(<double>x * self.factor[k] * (1.0 - 4.0e-16))
                self.cost[<int64_t>k * self.L + l] = x
        for v in range(2 * self.goods):
            self.post[v].best = NEVER
            self.post[v].left_out = NEVER
            self.post[v].count = 0
        self.overflow = -1
        for i in range(self.n):
            k = self.row[self.product[i]]
            if k < 0:
                continue
            x = self.stated(i, k)
            post = self.post_of(i, k)
            if x < post.best:
                post.best = x
            if self.side[i] == 0:
                weight += <double>self.quantity[i] * <double>self.flow_per_gpu[k]
                total += <uint64_t>self.quantity[i] * <uint64_t>self.flow_per_gpu[k]
                if weight > 1.0e18:
                    self.overflow = i
                    return
        self.big = NOWHERE
        self.total = <int64_t>total
        for k in range(self.K):
            for s in range(self.S):
                v = <int64_t>k * self.S + s
                self.ask[v] = self.post[2 * v].best
                x = self.post[2 * v + 1].best
                self.bid[v] = -x if x < NEVER and self.alive(k, s) else 0
                self.barred[v] = -x if x < NEVER and not self.alive(k, s) else -1

    cdef void reach_asks(self) noexcept nogil:
        """Cheapest ask delivered to every good."""
        cdef int64_t v, t, first, x
        cdef int64_t *cost
        cdef int32_t k, s, l
        for k in range(self.K):
            first = <int64_t>k * self.S
            cost = self.cost + <int64_t>k * self.L
            for v in range(first, first + self.S):
                self.a[v] = self.big
                if self.ask[v] < self.big:
                    self.a[v] = self.ask[v]
                    offer(&self.heap, v, self.ask[v])
            while True:
                v = take(&self.heap)
                if v < 0:
                    break
                s = v - first
                for l in range(self.w.out_start[s], self.w.out_start[s + 1]):
                    t = first + self.w.target[l]
                    x = self.a[v] + cost[l]
                    if x < self.a[t] and cost[l] >= 0:
                        self.a[t] = x
                        offer(&self.heap, t, x)

    cdef void reach_bids(self) noexcept nogil:
        """Best bid net of freight at every good, and the way there."""
        cdef int64_t v, t, first, most, x
        cdef int64_t *cost
        cdef int32_t k, s, l, i
        for k in range(self.K):
            first = <int64_t>k * self.S
            cost = self.cost + <int64_t>k * self.L
            most = 0
            for v in range(first, first + self.S):
                self.b[v] = self.bid[v]
                self.onward[v] = -1
                most = self.bid[v] if self.bid[v] > most else most
            for v in range(first, first + self.S):
                if self.bid[v] > 0:
                    offer(&self.heap, v, most - self.bid[v])
            while True:
                v = take(&self.heap)
                if v < 0:
                    break
                s = v - first
                for i in range(self.w.in_start[s], self.w.in_start[s + 1]):
                    l = self.w.in_lane[i]
                    t = first + self.w.origin[l]
                    x = self.b[v] - cost[l]
                    if x > self.b[t] and cost[l] >= 0:
                        self.b[t] = x
                        self.onward[t] = l
                        offer(&self.heap, t, most - x)

    cdef void rank(self) noexcept nogil:
        """Number the goods where something can trade with a gain; up to which price, on either side, and how many orders that are."""
        cdef int64_t i, v, x
        cdef int32_t k, s
        cdef Post *post
        cdef bint keep
        self.n_kept = 0
        for k in range(self.K):
            for s in range(self.S):
                v = <int64_t>k * self.S + s
                self.kept[v] = 0
                if self.a[v] < self.b[v]:
                    self.n_kept += 1
                    self.kept[v] = self.n_kept
                self.post[2 * v].limit = self.b[v] if self.kept[v] > 0 else -NEVER
                self.post[2 * v + 1].limit = -self.a[v] if self.kept[v] > 0 and self.alive(k, s) else -NEVER
        for i in range(self.n):
            k = self.row[self.product[i]]
            if k < 0:
                continue
            post = self.post_of(i, k)
            x = self.stated(i, k)
            keep = x < post.limit
            post.count += keep
            if not keep and x < post.left_out:
                post.left_out = x

    cdef int collect(self) except -1:
        """Sort what can trade, and merge equal orders into classes."""
        cdef int64_t i, v, e, n = 0, first, c = -1
        cdef int32_t k
        cdef Workspace w = self.w
        cdef Post *post
        cdef Entry *entry
        cdef size_t before
        cdef bint keep
        for v in range(2 * self.goods):
            self.post[v].end = n
            n += self.post[v].count
        self.class_price = <int64_t *>w.room(n, 8)
        self.class_gpus = <int64_t *>w.room(n, 8)
        self.class_post = <int32_t *>w.room(n, 4)
        self.class_arc = <int32_t *>w.room(n, 4)
        self.class_start = <int32_t *>w.room(n + 1, 4)
        self.sorted_orders = <int32_t *>w.room(n, 4)
        before = w.used
        # One more, to which goes what cannot trade.
        entry = <Entry *>w.room(n + 1, sizeof(Entry))
        with nogil:
            for i in range(self.n):
                self.member[i] = -1
                k = self.row[self.product[i]]
                if k < 0:
                    continue
                post = self.post_of(i, k)
                keep = self.stated(i, k) < post.limit
                e = post.end if keep else n
                post.end += keep
                # Sorted and merged by the price as given: in fixed point two prices can have one scaled value.
                entry[e].price = -self.price[i] if self.side[i] else self.price[i]
                entry[e].quantity = self.quantity[i]
                entry[e].order = i
            for v in range(2 * self.goods):
                post = &self.post[v]
                if post.count == 0:
                    continue
                first = post.end - post.count
                k = self.row_of(v >> 1)
                sort_entries(entry + first, post.count)
                for e in range(first, post.end):
                    if e == first or entry[e].price != entry[e - 1].price:
                        c += 1
                        self.class_price[c] = self.scaled(-entry[e].price if v & 1 else entry[e].price, k)
                        self.class_gpus[c] = 0
                        self.class_post[c] = v
                        self.class_start[c] = e
                    self.class_gpus[c] += entry[e].quantity
                    self.member[entry[e].order] = c
                    self.sorted_orders[e] = entry[e].order
            self.n_classes = c + 1
            self.class_start[self.n_classes] = n
        w.release(before)
        return 0

    # -- arcs, and the primal method ------------------------------------------------------------------------------

    cdef int build(self, bint scattered) except -1:
        """Arcs of the circulation and its first tree: the shortest-path forest to the best bids."""
        cdef Workspace w = self.w
        cdef int64_t c, v, e, j, m, slot, stride, capacity, room
        cdef int32_t k, s, l, n, u, t
        cdef Site *site
        cdef Arc *it
        with nogil:
            for c in range(self.n_classes):
                if self.class_post[c] & 1 == 0:
                    continue
                k = self.row_of(self.class_post[c] >> 1)
                site = &self.site[(self.class_post[c] >> 1) - k * self.S]
                capacity = self.class_capacity(c)
                if site.demand < site.power:
                    site.demand = site.demand + capacity if capacity < LARGEST - site.demand else LARGEST
                if self.w.liquid[self.product_of[k]] and site.liquid_demand < site.cooling:
                    site.liquid_demand = site.liquid_demand + capacity if capacity < LARGEST - site.liquid_demand else LARGEST
            n = 1 + self.n_kept
            self.n_socket_arcs = 0
            for s in range(self.S):
                site = &self.site[s]
                if site.demand > 0 and site.demand >= site.power:
                    site.power_node = n
                    n += 1
                    self.n_socket_arcs += 1
                if site.liquid_demand > 0 and site.liquid_demand >= site.cooling:
                    site.cooling_node = n
                    n += 1
                    self.n_socket_arcs += 1
            m = 0
            for k in range(self.K):
                for l in range(self.L):
                    m += self.lane_kept(k, l)
            self.n_lane_arcs = m
        m = self.n_classes + self.n_lane_arcs + self.n_socket_arcs
        # Whole units need a place to leave goods behind: one more arc for every good (see `resolve`).
        self.c.n, self.c.m = n, m
        self.c.arc = <Arc *>w.room(m + n, sizeof(Arc))
        self.c.capacity = <int64_t *>w.room(m + n, 8)
        self.c.state = <int8_t *>w.room(m + n, 1)
        self.c.node = <Node *>w.room(n, sizeof(Node))
        self.c.potential = <int64_t *>w.room(n, 8)
        self.c.next = <int32_t *>w.room(n, 4)
        self.c.line = <int32_t *>w.room(n, 4)
        self.lane_arc = <int32_t *>w.room(self.n_lane_arcs, 4)
        self.lane_good_lane = <int32_t *>w.room(self.n_lane_arcs, 4)
        if m == 0:
            return 0
        with nogil:
            memset(self.c.state, LOWER, m)
            # Arcs stand in a fixed scattered order: neighbours in the book rarely belong in one basis.
            stride = coprime_near(m) if scattered else 1
            slot = 0
            room = self.total + 1
            for c in range(self.n_classes):
                v = self.class_post[c] >> 1
                it = &self.c.arc[slot]
                self.c.capacity[slot] = self.class_capacity(c)
                if self.class_post[c] & 1 == 0:
                    it.tail, it.head, it.cost = 0, self.kept[v], self.class_price[c]
                else:
                    k = self.row_of(v)
                    it.tail, it.head, it.cost = self.kept[v], self.socket(k, v - k * self.S), -self.class_price[c]
                    if self.class_price[c] == self.b[v] and self.onward[v] < 0:
                        self.c.node[self.kept[v]].arc = slot
                self.class_arc[c] = slot
                slot += stride
                slot -= m if slot >= m else 0
            if not scattered:
                # The dual method wants what has limits first.
                slot = self.n_classes + self.n_socket_arcs
                room = <int64_t>1 << 62
            j = 0
            for k in range(self.K):
                for e in range(self.L):
                    l = self.w.given[e]
                    if not self.lane_kept(k, l):
                        continue
                    u = self.kept[<int64_t>k * self.S + self.w.origin[l]]
                    t = self.kept[<int64_t>k * self.S + self.w.target[l]]
                    it = &self.c.arc[slot]
                    it.tail, it.head, it.cost = u, t, self.cost[<int64_t>k * self.L + l]
                    # One more than can ever move, so that no lane is ever full.
                    self.c.capacity[slot] = room
                    if self.onward[<int64_t>k * self.S + self.w.origin[l]] == l:
                        self.c.node[u].arc = slot
                    self.lane_arc[j] = slot
                    self.lane_good_lane[j] = <int64_t>k * self.L + l
                    j += 1
                    slot += stride if scattered else 1
                    slot -= m if slot >= m else 0
            if not scattered:
                slot = self.n_classes
            for s in range(self.S):
                site = &self.site[s]
                if site.power_node > 0:
                    it = &self.c.arc[slot]
                    it.tail, it.head, it.cost = site.power_node, 0, 0
                    self.c.capacity[slot] = site.power
                    self.c.node[site.power_node].arc = slot
                    slot += stride
                slot -= m if slot >= m else 0
                if site.cooling_node > 0:
                    it = &self.c.arc[slot]
                    it.tail, it.head, it.cost = site.cooling_node, site.power_node, 0
                    self.c.capacity[slot] = site.cooling
                    self.c.node[site.cooling_node].arc = slot
                    slot += stride
                slot -= m if slot >= m else 0
        return 0

    def solve(self):
        """Divisible optimum by the primal method; False if potentials left the safe range."""
        cdef int64_t pivots = 0
        self.build(True)
        with nogil:
            if self.c.m > 0:
                plant(&self.c)
                pivots = primal(&self.c)
        self.keep_flow()
        self.pivots = pivots
        return pivots >= 0

    cdef int keep_flow(self) except -1:
        cdef int64_t c
        cdef int32_t j
        self.class_flows = PyBytes_FromStringAndSize(NULL, 8 * self.n_classes)
        self.class_flow = <int64_t *>PyBytes_AS_STRING(self.class_flows)
        self.lane_flows = PyBytes_FromStringAndSize(NULL, 8 * self.K * self.L)
        self.lane_flow = <int64_t *>PyBytes_AS_STRING(self.lane_flows)
        with nogil:
            memset(self.lane_flow, 0, <int64_t>self.K * self.L * 8)
            for c in range(self.n_classes):
                self.class_flow[c] = flow_of(&self.c, self.class_arc[c])
            for j in range(self.n_lane_arcs):
                self.lane_flow[self.lane_good_lane[j]] = flow_of(&self.c, self.lane_arc[j])
        return 0

    # -- dual method: start from national prices -----------------------------------------------------------------------

    def solve_nationally(self):
        """Divisible optimum by the dual method from a national guess; False if it did not get there."""
        cdef Market w
        cdef int64_t pivots = 0
        cdef int64_t c
        cdef int32_t s
        cdef double total = 0.0
        self.build(False)
        if self.c.m == 0:
            self.keep_flow()
            self.pivots = 0
            return True
        # Flows may leave their bounds on the way, so all capacities together must stay in range.
        for c in range(self.n_classes):
            total += <double>self.c.capacity[c]
        for s in range(self.S):
            total += <double>self.site[s].power + <double>self.site[s].cooling if self.site[s].power_node + self.site[s].cooling_node > 0 else 0.0
        if total > 4.0e18:
            return False
        self.curves(&w)
        with nogil:
            self.guess_nationally()
            self.repair()
            incidence(&self.c, &w)
            crash(&self.c, &w)
            pivots = dual(&self.c, &w, 4 * <int64_t>self.c.n + 1000)
        self.keep_flow()
        self.pivots = pivots
        return pivots >= 0

    def glut(self):
        """Offers are several times the bids: the dual method then has little to do."""
        cdef int64_t c
        cdef double offered = 0.0, wanted = 0.0
        for c in range(self.n_classes):
            if self.class_post[c] & 1:
                wanted += <double>self.class_capacity(c)
            else:
                offered += <double>self.class_capacity(c)
        return self.n_classes > MANY and offered > 3.0 * wanted

    cdef int curves(self, Market *w) except -1:
        """Step curves of every good and side, sockets and lanes, and memory for the dual method."""
        cdef Workspace space = self.w
        cdef int64_t c, n = self.c.n, m = self.c.m, limited = self.n_classes + self.n_socket_arcs
        cdef Curve *it
        w.curve = <Curve *>space.room(2 * self.n_kept + self.n_socket_arcs, sizeof(Curve))
        w.start = <int32_t *>space.room(3 * n + 2, 4)
        w.group = <int32_t *>space.room(n, 4)
        w.inside = <int8_t *>space.room(n, 1)
        w.queue = <int32_t *>space.room(n, 4)
        w.queued = <int8_t *>space.room(n, 1)
        w.excess = <int64_t *>space.room(n, 8)
        w.point = <Breakpoint *>space.room(m, sizeof(Breakpoint))
        w.n_curves = 0
        it = w.curve - 1
        w.limited = limited
        for c in range(limited):
            if c == 0 or c >= self.n_classes or self.class_post[c] != self.class_post[c - 1]:
                it += 1
                w.n_curves += 1
                it.first = c
                it.tail = self.c.arc[c].tail
                it.head = self.c.arc[c].head
            it.last = c + 1
        w.incident = <Meeting *>space.room(2 * (w.n_curves + m - limited), sizeof(Meeting))
        return 0

    cdef void guess_nationally(self) noexcept nogil:
        """One price a product at which offers meet bids, freight and headroom left out."""
        cdef int64_t c, v, low, high, sum
        cdef int64_t tally[BINS]
        cdef int64_t first = 0, last, x, j
        cdef int32_t k, shift
        for v in range(self.c.n):
            self.c.potential[v] = 0
        for k in range(self.K):
            last = first
            low = NEVER
            high = 0
            while last < self.n_classes and self.class_post[last] < <int64_t>2 * (k + 1) * self.S:
                x = self.class_price[last]
                low = x if x < low else low
                high = x if x > high else high
                last += 1
            if last == first:
                continue
            memset(tally, 0, BINS * sizeof(int64_t))
            shift = 0
            while (high - low) >> shift >= BINS:
                shift += 1
            # Supply at a price less demand at it: bids leave from their limit upwards.
            sum = 0
            for c in range(first, last):
                x = self.class_capacity(c)
                if self.class_post[c] & 1:
                    sum -= x
                tally[(self.class_price[c] - low) >> shift] += x
            j = 0
            while j < BINS - 1 and sum + tally[j] < 0:
                sum += tally[j]
                j += 1
            x = low + (j << shift)
            for v in range(<int64_t>k * self.S, <int64_t>(k + 1) * self.S):
                if self.kept[v] > 0:
                    sum = self.a[v] if x < self.a[v] else x
                    self.c.potential[self.kept[v]] = self.b[v] if sum > self.b[v] else sum
            first = last

    cdef void repair(self) noexcept nogil:
        """Lower prices until no difference exceeds freight."""
        cdef int64_t kl, v, t, first, x
        cdef int32_t j, k, s, l, i
        cdef int64_t *potential = self.c.potential
        for j in range(self.n_lane_arcs):
            kl = self.lane_good_lane[j]
            first = kl // self.L * self.S
            l = kl % self.L
            t = first + self.w.target[l]
            x = potential[self.kept[first + self.w.origin[l]]] + self.cost[kl]
            if x < potential[self.kept[t]]:
                potential[self.kept[t]] = x
                enqueue(&self.ring, t)
        while self.ring.size > 0:
            v = dequeue(&self.ring)
            k = v // self.S
            s = v % self.S
            first = v - s
            for l in range(self.w.out_start[s], self.w.out_start[s + 1]):
                if not self.lane_kept(k, l):
                    continue
                t = first + self.w.target[l]
                x = potential[self.kept[v]] + self.cost[<int64_t>k * self.L + l]
                if x < potential[self.kept[t]]:
                    potential[self.kept[t]] = x
                    enqueue(&self.ring, t)


cdef int64_t coprime_near(int64_t m) noexcept nogil:
    """A stride near the golden section of m without a common divisor."""
    cdef int64_t stride = <int64_t>(0.6180339887 * m) | 1, x, y, r
    while True:
        x, y = m, stride
        while y:
            r = x % y
            x = y
            y = r
        if x == 1:
            return stride % m if m > 1 else 0
        stride += 1
