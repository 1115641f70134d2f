//! The type of the value in a return type, as a type that can be written down: what `peek` gives and `put` takes. `shape`
//! tells it inside of expressions; a signature has none, so there a number stands between the two. Invariant: both tell the
//! same.

use super::shape::{Shaped, View};

/// What is around a value, as a number. `tell` is for the compiler alone and is never called.
pub const fn around<S: View, F: Fn() -> Shaped<S> + Copy>(tell: F) -> usize {
    let _ = tell;
    S::AROUND
}

/// A `Json` around what has one, or a `Json` that is in an `Option`, counts as an inner one.
const fn as_inner(around: usize) -> usize {
    around / 4 * 4 + around % 4 / 2 * 8
}

/// With a `Result` around it.
pub(super) const fn around_result(inside: usize) -> usize {
    inside + 1
}

/// With an `Option` around it.
pub(super) const fn around_option(inside: usize) -> usize {
    as_inner(inside) + 4
}

/// With a `Json` around it.
#[cfg(feature = "axum")]
pub(super) const fn around_json(inside: usize) -> usize {
    as_inner(inside) + 2
}

/// A type that holds a value, given what is around it: 1 for a `Result`, 2 for a `Json`, 4 for an `Option`, and 8 for a `Json`
/// in that or in the other `Json`.
pub trait Holds<const AROUND: usize> {
    /// The value, with an `Arc` around it.
    type Held;
}

macro_rules! holds {
    ($($around:literal [$($generic:ident),*] $t:ty;)*) => {$(
        impl<T, $($generic),*> Holds<$around> for $t {
            type Held = T;
        }
    )*};
}
holds! {
    0 [] T;
    1 [E] Result<T, E>;
    4 [] Option<T>;
    5 [E] Result<Option<T>, E>;
}
#[cfg(feature = "axum")]
holds! {
    2 [] axum::Json<T>;
    3 [E] Result<axum::Json<T>, E>;
    6 [] axum::Json<Option<T>>;
    7 [E] Result<axum::Json<Option<T>>, E>;
    10 [] axum::Json<axum::Json<T>>;
    11 [E] Result<axum::Json<axum::Json<T>>, E>;
    12 [] Option<axum::Json<T>>;
    13 [E] Result<Option<axum::Json<T>>, E>;
    14 [] axum::Json<Option<axum::Json<T>>>;
    15 [E] Result<axum::Json<Option<axum::Json<T>>>, E>;
}
