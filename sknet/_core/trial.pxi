# The whole team, or one worker alone? A call tries both, as they give the same bits.

cdef extern from "clock.h" nogil:
    long long nanoseconds()

cdef enum:
    TRIAL_SKIPPED = 2  # mini-batches that find other caches than those after them
    TRIAL_TIMED = 5    # of them the median counts
    TRIAL_PART = TRIAL_SKIPPED + TRIAL_TIMED


cdef class Trial:
    """Some mini-batches by the team, as many by rank 0 alone, the rest by who was faster.

    Cores may be so far apart, or so busy with something else, that what workers hand to each other
    takes longer than what they save; and that changes from one second to the next.

    Attributes
    ----------
    ends_alone : whether rank 0 alone was faster, or equally fast
    team_seconds, alone_seconds : of a mini-batch, by the team and by rank 0 alone
    seconds : of all mini-batches, from the first to the last
    """

    cdef readonly bint ends_alone
    cdef readonly double team_seconds, alone_seconds, seconds
    cdef double patience  # rank 0 may take this many times as long as the team
    cdef team_t alone
    cdef share_t share
    cdef long long begins[2 * TRIAL_PART + 1]  # of mini-batches, by rank 0

    def __init__(self, double patience):
        self.patience = patience
        team_start(&self.alone, 1, &self.share)

    cdef bint begin_batch(
        self, team_t* team, int rank, Py_ssize_t number, team_t** active
    ) noexcept nogil:
        """Makes `active` the team that trains this mini-batch; NULL for a worker that does not.

        Returns whether there is nothing left for this worker, which may be an abort.
        """
        if number > 2 * TRIAL_PART:
            return False
        if rank == 0:
            self.begins[number] = nanoseconds()
        if number == TRIAL_PART:
            if team_meet(team, rank):
                return True
            if rank == 0:
                active[0] = &self.alone
                return False
            active[0] = NULL
            return team_meet(team, rank) or self.ends_alone  # when rank 0 has finished its part
        if number == 2 * TRIAL_PART:
            if rank == 0:
                self.team_seconds = self.seconds_of_part(0)
                self.alone_seconds = self.seconds_of_part(1)
                self.ends_alone = self.alone_seconds <= self.patience * self.team_seconds
                if team_meet(team, rank):
                    return True
            if not self.ends_alone:
                active[0] = team
        return False

    cdef void end(self) noexcept nogil:
        """After the last mini-batch, by rank 0."""
        self.seconds = 1e-9 * (nanoseconds() - self.begins[0])

    cdef double seconds_of_part(self, int part) noexcept nogil:
        """The median of its mini-batches."""
        cdef long long times[TRIAL_TIMED]
        cdef const long long* begins = self.begins + part * TRIAL_PART + TRIAL_SKIPPED
        cdef long long time
        cdef int i, place
        for i in range(TRIAL_TIMED):
            time = begins[i + 1] - begins[i]
            place = i
            while place > 0 and times[place - 1] > time:
                times[place] = times[place - 1]
                place -= 1
            times[place] = time
        return 1e-9 * times[TRIAL_TIMED // 2]
