from libc.stdint cimport int8_t, int32_t, int64_t


cdef enum:
    # State of an arc times its reduced cost is negative exactly where the arc is worth changing.
    LOWER = 1
    TREE = 0
    UPPER = -1


cdef struct Arc:
    int64_t cost
    int64_t capacity
    int64_t flow
    int32_t tail
    int32_t head


cdef struct Node:
    int32_t parent
    int32_t arc         # tree arc to the parent
    int32_t depth
    int32_t child       # first child
    int32_t after       # next sibling
    int32_t before      # previous sibling
    int32_t up          # 1 if the tree arc points to the parent


cdef struct Circulation:
    int32_t n           # nodes; 0 is the root
    int32_t m           # arcs
    Arc *arc
    int8_t *state
    Node *node
    int64_t *potential


cdef void plant(Circulation *c) noexcept nogil
cdef int64_t primal(Circulation *c) noexcept nogil
