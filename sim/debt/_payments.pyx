"""Joint payment in whole cents: the greatest clearing vector by waves of default, or the least from nothing paid.

Claims are sorted by debtor, then rank, then the caller's order. A debtor's cents are paid in a fixed order: rank by rank, and
within a rank cent m of a claim of L cents at time (2m - 1) / (2L). A debtor that pays more therefore never pays any
creditor less, which makes the map monotone and its greatest fixed point unique; largest remainders would not do.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc

cdef extern from *:
    ctypedef long long wide "__int128"

# Recovery shares are billionths, so that their products with cents are exact.
cdef int64_t BILLION = 1000000000
# Parties revisited before a circle with next to no outlet is given up; about a second.
cdef int64_t PATIENCE = 50000000


cdef inline int64_t recovered(int64_t cents, int64_t billionths) noexcept nogil:
    """Whole cents of a share, rounded down."""
    return <int64_t>(<wide>cents * billionths // BILLION)


cdef void share(const int64_t *due, int64_t *paid, int64_t n, int64_t total, int64_t whole) noexcept nogil:
    """Pay `total` of `whole` cents on n claims of one rank."""
    cdef int64_t k, best, left = total
    for k in range(n):
        paid[k] = <int64_t>((<wide>2 * due[k] * total + whole) // (<wide>2 * whole))
        left -= paid[k]
    while left > 0:
        best = -1
        for k in range(n):
            if paid[k] < due[k] and (
                best < 0 or <wide>(2 * paid[k] + 1) * due[best] < <wide>(2 * paid[best] + 1) * due[k]
            ):
                best = k
        paid[best] += 1
        left -= 1
    while left < 0:
        best = -1
        for k in range(n):
            if paid[k] > 0 and (
                best < 0 or <wide>(2 * paid[k] - 1) * due[best] >= <wide>(2 * paid[best] - 1) * due[k]
            ):
                best = k
        paid[best] -= 1
        left += 1


cdef void spread(
    const int64_t *due, const int64_t *rank, int64_t *paid, int64_t n, int64_t total
) noexcept nogil:
    """Pay `total` cents on all claims of a debtor, senior ranks first."""
    cdef int64_t first = 0, after, whole, k
    while first < n:
        after = first
        whole = 0
        while after < n and rank[after] == rank[first]:
            whole += due[after]
            after += 1
        if total >= whole:
            for k in range(first, after):
                paid[k] = due[k]
            total -= whole
        else:
            share(due + first, paid + first, after - first, total, whole)
            total = 0
        first = after


def clear(
    const int64_t[::1] start,
    const int64_t[::1] creditor,
    const int64_t[::1] due,
    const int64_t[::1] rank,
    const int64_t[::1] cash,
    int64_t outside_recovery,
    int64_t inside_recovery,
    bint least,
    int64_t[::1] paid,
    int64_t[::1] wave,
):
    """Fill `paid` (claims) and `wave` (parties; 0 pays in full, k fails in wave k); returns the number of waves.

    From nothing paid upwards (`least`) everybody that fails is of wave 1. Returns -1 where the claims do not settle.
    """
    cdef int64_t n = cash.shape[0], claims = due.shape[0]
    cdef int64_t i, j, k, new, total, waves = 0, head, tail, length, width, visits = 0
    cdef bint found
    cdef int64_t *inflow = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    cdef int64_t *owed = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    cdef int64_t *queue = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    cdef int64_t *fresh = <int64_t *>malloc((claims + 1) * sizeof(int64_t))
    cdef uint8_t *queued = <uint8_t *>malloc(n + 1)
    if inflow == NULL or owed == NULL or queue == NULL or fresh == NULL or queued == NULL:
        free(inflow)
        free(owed)
        free(queue)
        free(fresh)
        free(queued)
        raise MemoryError("no memory for the joint payment")
    with nogil:
        for i in range(n):
            inflow[i] = 0
            queued[i] = 0
            wave[i] = 0
        for i in range(n):
            owed[i] = 0
            for k in range(start[i], start[i + 1]):
                owed[i] += due[k]
                paid[k] = 0 if least else due[k]
                if not least:
                    inflow[creditor[k]] += due[k]
        while visits <= PATIENCE:
            head = 0
            length = 0
            found = False
            for i in range(n):
                # Upwards everybody starts in default and is looked at once; later only who is paid more.
                if wave[i] == 0 and owed[i] > 0 and (least or cash[i] + inflow[i] < owed[i]):
                    wave[i] = waves + 1
                    queued[i] = 1
                    queue[length] = i
                    length += 1
                    found = True
            if not found:
                break
            waves += 1
            # A ring: a party stands in it at most once, so n places are enough.
            tail = length % n
            while length > 0:
                visits += 1
                if visits > PATIENCE:
                    break
                i = queue[head]
                head = (head + 1) % n
                length -= 1
                queued[i] = 0
                if least and cash[i] + inflow[i] >= owed[i]:
                    total = owed[i]
                else:
                    total = recovered(cash[i], outside_recovery) + recovered(inflow[i], inside_recovery)
                width = start[i + 1] - start[i]
                spread(&due[start[i]], &rank[start[i]], fresh, width, total)
                for k in range(width):
                    new = fresh[k]
                    if new == paid[start[i] + k]:
                        continue
                    j = creditor[start[i] + k]
                    inflow[j] -= paid[start[i] + k] - new
                    paid[start[i] + k] = new
                    if wave[j] > 0 and queued[j] == 0:
                        queued[j] = 1
                        queue[tail] = j
                        tail = (tail + 1) % n
                        length += 1
        if least:
            waves = 0
            for i in range(n):
                wave[i] = 1 if cash[i] + inflow[i] < owed[i] else 0
                waves |= wave[i]
    free(inflow)
    free(owed)
    free(queue)
    free(fresh)
    free(queued)
    return -1 if visits > PATIENCE else waves
