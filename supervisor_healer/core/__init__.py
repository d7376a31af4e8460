"""Pure decisions: no I/O, no clock, no randomness. Facts and `now` come in, decisions go out.

Read in this order; each module knows only those above it, and `engine` is all that others need to know:

    model           the words as values: what a person declared, what was seen, what is decided
    pipeline        the graph: who writes what others read; numprocs and groups expanded
    freshness       one file against its limits, on both clocks
    budget, memory  what is used up; what outlives the healer
    patient         one worker: its declaration, its memory, its process
    limits          durations that follow from the files where nobody declared them
    examination     how a worker's files stand, and what work waits for it
    diagnosis       the table of states: the first row that matches
    ward            all of this for all workers, with root causes, and who is due
    explanation     verdicts in words
    record          what one turn decides, as it comes together
    triage          who may be treated next, and why not
    restart         the table of a restart; verification: the proof by new output
    treatment       one attempt, step by step
    requests        operators' heals
    clock           whether the clocks can be trusted
    timetable       a heap of deadlines; looks: which files a decision needs, and when to look again
    bulletin        what is published
    former_life     what a former life of the healer remembered
    engine          one turn: intake, looks, decisions
"""
