"""Exit codes of every command.

=====  ==========================================================
code   meaning
=====  ==========================================================
0      done
1      the model stopped, or a check failed
2      bad input
3      a result cannot be written or read
4      the installation is broken
5      a sweep went to its end, and some of its runs failed
129    its terminal was closed; the same command goes on where it stopped
130    interrupted; the same command goes on where it stopped
=====  ==========================================================
"""

STOPPED, BAD_INPUT, STORE_FAILED, BROKEN, RUNS_FAILED, HUNG_UP, INTERRUPTED = 1, 2, 3, 4, 5, 129, 130
