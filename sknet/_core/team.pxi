# A team of threads that works through an epoch together; the C side is in team.h.

cdef extern from "team.h" nogil:
    ctypedef struct team_t:
        int size
    ctypedef struct share_t:
        pass
    void team_start(team_t* team, int size, share_t* shares)
    Py_ssize_t team_next(team_t* team, int rank, Py_ssize_t n, const Py_ssize_t* begins)
    void team_abort(team_t* team)
    bint team_is_aborted(team_t* team)
    bint team_meet(team_t* team, int rank)

cdef extern from "subnormals.h" nogil:
    unsigned int leave_out_subnormals()
    void restore_subnormals(unsigned int before)


cdef class Job:
    """Work for a team: start(size), then work(rank) on each thread, rank 0 the caller's own.

    Who computes which piece is left to chance; what a piece is, and the order in which pieces
    are summed, never depends on `size`. That is why all sizes give the same bits.
    """

    cdef team_t team
    cdef share_t share         # of a team of one
    cdef char[::1] shares      # of a larger team

    def start(self, int size):
        """Gets ready for `size` workers."""
        if size > 1:
            self.shares = np.empty(size * sizeof(share_t), np.int8)
        team_start(&self.team, size, <share_t*> &self.shares[0] if size > 1 else &self.share)

    def work(self, int rank):
        """Does this worker's share, without the GIL."""
        cdef unsigned int before
        with nogil:
            before = leave_out_subnormals()
            self.run(rank)
            restore_subnormals(before)

    def abort(self):
        """Sends waiting workers home; called when rank 0 cannot come."""
        team_abort(&self.team)

    @property
    def is_aborted(self):
        return team_is_aborted(&self.team)

    cdef void run(self, int rank) noexcept nogil:
        pass
