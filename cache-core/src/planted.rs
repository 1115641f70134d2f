//! Faults that the simulator plants in the engine to see that it would find them.
//! Outside of tests there are none: the question is answered by the compiler. Invariant: a fault is planted on the
//! thread of one schedule and nowhere else.

/// A fault, named after what the engine then does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "faults are planted by tests alone"))]
pub(crate) enum Bug {
    /// Stores the result of a load whatever has become of its claim.
    UnconditionalCommit,
    /// Registers a load after it has read the shared tier.
    FenceAfterRead,
    /// Takes down the generations of a load after its function has run.
    GenerationAfterLoad,
    /// Forgets whichever load of a key it finds.
    FlightByKey,
    /// Takes down the generations of the elements of a call after the body has run.
    GenerationsAfterBody,
    /// Believes what was seen of generations after something has changed.
    KnownForEver,
}

/// Whether this fault is planted.
#[cfg(not(test))]
#[inline]
pub(crate) const fn planted(bug: Bug) -> bool {
    let _ = bug;
    false
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Whether this fault is planted.
#[cfg(test)]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Plants a fault on this thread, or takes it away.
#[cfg(test)]
pub(crate) fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}
