"""Declarations of the order book, for the module that reads prices from its optimum."""

from libc.math cimport floor
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t

from sim.kernel._network_simplex cimport Circulation, Market
from sim.kernel._shortest_paths cimport Heap, Ring


cdef extern from *:
    ctypedef long long wide "__int128"


cdef extern from *:
    """
    #define NEVER ((int64_t)1 << 61)
    """
    const int64_t NEVER


cdef enum:
    # Orders at one good are few; insertion beats the library up to about this many.
    FEW = 24
    # Steps of the price scale in a national guess.
    BINS = 1024
    # Below this many classes both methods take no time worth choosing for.
    MANY = 500


cdef struct Entry:
    int64_t price       # cents; of a buy negative, so that the best of both sides comes first
    int64_t quantity
    int32_t order


# The orders of one side at one good; scaled prices, of a buy negative.
cdef struct Post:
    int64_t best
    int64_t limit       # prices below it can trade
    int64_t left_out    # best price that cannot
    int32_t count       # orders that can trade
    int32_t end         # behind the last of them


cdef void sort_entries(Entry *e, int64_t n) noexcept nogil


cdef class Workspace:
    cdef readonly int S, G, L
    cdef int32_t *origin
    cdef int32_t *target
    cdef int32_t *out_start     # lanes stand in order of their origin
    cdef int32_t *in_start
    cdef int32_t *in_lane
    cdef const int64_t[:, ::1] freight
    cdef const uint8_t[::1] liquid
    cdef const int32_t[::1] given  # lane of the network -> lane of the kernel
    cdef const int64_t[::1] named  # and back
    # The book in hand, as `gauge` found it.
    cdef int64_t n
    cdef const int8_t *side
    cdef const int32_t *node
    cdef const int32_t *product
    cdef const int64_t *quantity
    cdef const int64_t *price
    cdef const int64_t *power
    cdef const int64_t *cooling
    # One block of memory, handed out front to back; extra blocks live until the next clearing.
    cdef char *block
    cdef size_t block_size
    cdef size_t used
    cdef char **spill
    cdef int spilled
    cdef size_t wanted
    cdef size_t most

    cdef void reset(self) noexcept
    cdef void *room(self, int64_t count, size_t size) except NULL
    cdef void release(self, size_t before) noexcept
    cdef void begin(self, size_t expected) except *


cdef struct Site:
    int64_t power       # headroom in flow units
    int64_t cooling
    int64_t demand      # kept bids, saturating
    int64_t liquid_demand
    int32_t power_node  # node of the circulation, 0 (the root) where headroom cannot bind
    int32_t cooling_node
    int8_t power_slack
    int8_t cooling_slack


cdef class Scaling:
    cdef const int32_t[::1] row           # product -> k or -1
    cdef const int32_t[::1] product_of    # k -> product
    cdef const int64_t[::1] flow_per_gpu
    cdef const int64_t[::1] unit
    cdef const int64_t[::1] multiplier
    cdef const double[::1] factor
    cdef bint exact
    cdef int64_t watt


cdef class Problem:
    cdef Workspace w
    cdef int K, S, L
    cdef int64_t n, goods, big, total
    # scales, see `Scaling`
    cdef const int32_t *row
    cdef const int32_t *product_of
    cdef const int64_t *flow_per_gpu
    cdef const int64_t *unit
    cdef const int64_t *multiplier
    cdef const double *factor
    cdef bint exact
    cdef int64_t watt
    # orders, as given
    cdef const int8_t *side
    cdef const int32_t *node
    cdef const int32_t *product
    cdef const int64_t *quantity
    cdef const int64_t *price
    cdef bytes members        # memory of `member`, and likewise of the flows below
    cdef bytes class_flows
    cdef bytes lane_flows
    cdef int32_t *member      # class, -1 if it cannot trade
    cdef Post *post           # 2 * good + side
    # goods
    cdef int64_t *ask         # best at the node itself
    cdef int64_t *bid
    cdef int64_t *a           # cheapest delivered
    cdef int64_t *b           # best net of freight
    cdef int32_t *onward      # lane towards the best bid, -1: the bid is here
    cdef int32_t *kept        # node of the circulation, 0: nothing can trade here
    cdef int64_t *barred      # best bid kept out for want of headroom, -1
    cdef int64_t *cost        # (K, L) scaled freight, -1 forbidden
    cdef Site *site
    cdef Heap heap
    cdef Ring ring
    # classes, sorted by good, side and price
    cdef int64_t n_classes
    cdef int64_t *class_price
    cdef int64_t *class_gpus
    cdef int64_t *class_flow
    cdef int32_t *class_post  # 2 * good + side
    cdef int32_t *class_arc
    cdef int32_t *class_start  # into `sorted_orders`
    cdef int32_t *sorted_orders
    # circulation
    cdef Circulation c
    cdef int32_t n_kept, n_lane_arcs, n_socket_arcs
    cdef int32_t *lane_arc
    cdef int32_t *lane_good_lane  # k * L + lane of every lane arc
    cdef int64_t *lane_flow       # (K, L)
    cdef readonly int64_t pivots
    cdef readonly int64_t overflow  # order at which the goods offered pass the range, -1 if none

    cdef void read(self) noexcept nogil
    cdef void rank(self) noexcept nogil
    cdef void reach_asks(self) noexcept nogil
    cdef void reach_bids(self) noexcept nogil
    cdef int collect(self) except -1
    cdef int build(self, bint scattered) except -1
    cdef int keep_flow(self) except -1
    cdef int curves(self, Market *w) except -1
    cdef void guess_nationally(self) noexcept nogil
    cdef void repair(self) noexcept nogil

    cdef inline int64_t stated(self, int64_t i, int32_t k) noexcept nogil:
        """Scaled price of an order, negative for a buy; beyond all limits if it has no quantity."""
        cdef int64_t x = self.scaled(self.price[i], k)
        x = -x if self.side[i] else x
        return x if self.quantity[i] else NEVER

    cdef inline int64_t scaled(self, int64_t cents, int32_t k) noexcept nogil:
        if self.exact:
            return cents * self.multiplier[k]
        return <int64_t>floor(<double>cents * self.factor[k] + 0.5)

    cdef inline Post *post_of(self, int64_t i, int32_t k) noexcept nogil:
        return &self.post[2 * (<int64_t>k * self.S + self.node[i]) + self.side[i]]

    cdef inline int32_t row_of(self, int32_t good) noexcept nogil:
        # Division of short unsigned numbers takes a fraction of the time.
        return <int32_t>(<uint32_t>good // <uint32_t>self.S)

    cdef inline int64_t class_capacity(self, int64_t c) noexcept nogil:
        """Flow units of a class; of a bid no more than all that is offered."""
        cdef int64_t amount = self.flow_per_gpu[self.row_of(self.class_post[c] >> 1)]
        if self.class_post[c] & 1 and self.class_gpus[c] > self.total // amount:
            return self.total + 1
        return self.class_gpus[c] * amount

    cdef inline bint alive(self, int32_t k, int32_t s) noexcept nogil:
        """A buyer can install here."""
        return self.site[s].power > 0 and (not self.w.liquid[self.product_of[k]] or self.site[s].cooling > 0)

    cdef inline int32_t socket(self, int32_t k, int32_t s) noexcept nogil:
        """Node of the circulation at which a buyer's purchase counts; 0 where headroom cannot bind."""
        if self.w.liquid[self.product_of[k]] and self.site[s].cooling_node > 0:
            return self.site[s].cooling_node
        return self.site[s].power_node

    cdef inline bint lane_kept(self, int32_t k, int32_t l) noexcept nogil:
        cdef int64_t first = <int64_t>k * self.S, u = first + self.w.origin[l], t = first + self.w.target[l]
        cdef int64_t cost = self.cost[<int64_t>k * self.L + l]
        return cost >= 0 and self.kept[u] > 0 and self.kept[t] > 0 and self.a[u] + cost < self.b[t]
