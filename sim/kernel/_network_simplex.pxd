from libc.stdint cimport int8_t, int32_t, int64_t


cdef enum:
    # State of an arc times its reduced cost is negative exactly where the arc is worth changing.
    LOWER = 1
    TREE = 0
    UPPER = -1


cdef struct Arc:
    int64_t cost
    int32_t tail
    int32_t head


# A node and its tree arc to the parent: how much more can flow towards the root, and away from it.
cdef struct Node:
    int64_t up
    int64_t down
    int32_t parent
    int32_t arc
    int32_t size        # nodes of the subtree
    int32_t previous    # in preorder


cdef struct Circulation:
    int32_t n           # nodes; 0 is the root
    int32_t m           # arcs
    Arc *arc
    int64_t *capacity
    int8_t *state
    Node *node
    int64_t *potential
    int32_t *next       # node in preorder, closing to a ring
    int32_t *line       # (n) scratch


# Arcs first to last - 1 share tail and head and stand in order of cost: a step curve. At a basis of the dual method they
# are full up to `turn`, then one may be in the tree, the rest is empty.
cdef struct Curve:
    int32_t first
    int32_t last
    int32_t turn
    int32_t tail
    int32_t head
    int64_t fills       # cost of the first empty arc
    int64_t empties     # cost of the last full one


# A curve or a free arc seen from one of its ends.
cdef struct Meeting:
    int32_t other
    int32_t what


cdef struct Breakpoint:
    int64_t at          # change of potential
    int32_t arc


# Memory and incidence of the dual method.
cdef struct Market:
    int32_t n_curves
    Curve *curve
    int32_t limited     # arcs from here on are free: never full, no part of a curve
    int32_t *start      # (3 n + 2) node -> into `incident`: curves, free arcs out, free arcs in
    Meeting *incident
    int32_t *group      # (n) union-find of the crash
    int8_t *inside      # (n) marks of the subtree in hand
    int32_t *queue      # (n) ring of nodes whose tree arc may be out of bounds
    int8_t *queued      # (n)
    int64_t *excess     # (n)
    Breakpoint *point   # (m)
    int32_t points
    int32_t waiting     # nodes in the ring
    int32_t next


cdef inline int64_t flow_of(Circulation *c, int32_t a) noexcept nogil:
    cdef int32_t v
    if c.state[a] != TREE:
        return c.capacity[a] if c.state[a] == UPPER else 0
    v = c.arc[a].tail
    return c.node[v].down if c.node[v].arc == a else c.node[c.arc[a].head].up


cdef void plant(Circulation *c) noexcept nogil
cdef int64_t primal(Circulation *c) noexcept nogil
cdef void incidence(Circulation *c, Market *w) noexcept nogil
cdef void crash(Circulation *c, Market *w) noexcept nogil
cdef int64_t dual(Circulation *c, Market *w, int64_t most) noexcept nogil
