//! What the expansion of a cached function awaits when there was no hit, unless it may go on without its caller. It is compiled
//! for each function, so it does as little as can be: `engine::miss` does the work. Invariant: a miss ends before its function
//! when the caller gives up.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::engine::load::Verdict;
use crate::engine::miss::Miss;
use crate::engine::shape::{Seen, Shape, Shaped};

/// Stores every value.
pub fn store_all<V>(_: &V) -> Verdict {
    Verdict::store()
}

/// Asks a closure about the value in a result, and tells it which type that is.
pub fn judging<S: Shape, V: Fn(&S::Value) -> Verdict>(
    _: Shaped<S>,
    verdict: V,
) -> impl Fn(&S::Ret) -> Verdict {
    move |ret| match S::see(ret) {
        Seen::Value(value) => verdict(value),
        Seen::Absent | Seen::Failed => Verdict::store(),
    }
}

pin_project! {
    /// The result of a call: of its own run, or of one that it shares.
    #[must_use = "a miss does nothing unless it is awaited"]
    #[allow(missing_docs, reason = "the macro around it takes no comments on fields")]
    pub struct Load<F>
    where
        F: Future,
    {
        // The first field, so that the miss ends before the function when the caller gives up.
        pub miss: Miss<F::Output>,
        #[pin]
        pub load: F,
    }
}

impl<F: Future> std::fmt::Debug for Load<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Load")
    }
}

impl<F: Future> Future for Load<F> {
    type Output = F::Output;

    // A build without optimisation then puts it beside the function, where the types of both are described once.
    #[cfg_attr(debug_assertions, expect(clippy::inline_always), inline(always))]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.miss.run(context, this.load, &store_all)
    }
}

pin_project! {
    /// The same of a function whose values are judged before they are stored.
    #[must_use = "a miss does nothing unless it is awaited"]
    #[allow(missing_docs, reason = "the macro around it takes no comments on fields")]
    pub struct LoadIf<F, V>
    where
        F: Future,
    {
        pub miss: Miss<F::Output>,
        #[pin]
        pub load: F,
        pub verdict: V,
    }
}

impl<F: Future, V> std::fmt::Debug for LoadIf<F, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoadIf")
    }
}

impl<F: Future, V: Fn(&F::Output) -> Verdict> Future for LoadIf<F, V> {
    type Output = F::Output;

    // A build without optimisation then puts it beside the function, where the types of both are described once.
    #[cfg_attr(debug_assertions, expect(clippy::inline_always), inline(always))]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.miss.run(context, this.load, this.verdict)
    }
}
