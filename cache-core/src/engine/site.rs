//! The static of an annotated function: its number in this process, and what its attribute says. It holds no entries and
//! no counters. Every one of them is in the catalogue, which the linker gathers.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::info::FunctionInfo;
use crate::key::Numbered;

/// An annotated function. Made by the attributes.
#[derive(Debug)]
// What a hit reads is the number, and what `info` begins with.
#[repr(C)]
pub struct Site {
    id: AtomicUsize,
    info: FunctionInfo,
}

/// A function that has been linked into this program.
#[derive(Debug)]
pub struct Registered(pub &'static Site);

inventory::collect!(Registered);

/// All of them, in the order in which the linker found them.
pub(crate) fn registered() -> impl Iterator<Item = &'static FunctionInfo> {
    inventory::iter::<Registered>().map(|Registered(site)| &site.info)
}

impl Site {
    /// A function that is called for the first time.
    pub const fn new(info: FunctionInfo) -> Self {
        Self {
            id: AtomicUsize::new(0),
            info,
        }
    }

    /// The number of the function in this process, given at first use.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        match self.id.load(Ordering::Relaxed) {
            0 => self.first_id(),
            id => id,
        }
    }

    #[cold]
    fn first_id(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        match self
            .id
            .compare_exchange(0, id, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => id,
            Err(earlier) => earlier,
        }
    }
}

impl Deref for Site {
    type Target = FunctionInfo;

    #[inline]
    fn deref(&self) -> &FunctionInfo {
        &self.info
    }
}

impl Numbered for Site {
    #[inline]
    fn number(&self) -> usize {
        self.id()
    }
}
