//! The type of the value in a return type, as a type that can be written down: what `peek` gives and `put` takes. `shape`
//! tells it inside of expressions; a signature has none, so here it is told by constants. Invariant: both tell the same.

use std::marker::PhantomData;

/// A type that is asked what is around its value. What it has of its own is preferred to what all types have.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

/// What all types have: nothing around them.
pub trait Otherwise {
    /// No `Result`.
    const RESULT: usize = 0;
    /// No `Option`.
    const OPTION: usize = 0;
    /// No `Json`.
    const JSON: usize = 0;
}

impl<T: ?Sized> Otherwise for T {}

impl<T, E> Probe<Result<T, E>> {
    /// A `Result`.
    pub const RESULT: usize = 1;
}

impl<T> Probe<Option<T>> {
    /// An `Option`.
    pub const OPTION: usize = 4;
}

#[cfg(feature = "axum")]
impl<T> Probe<axum::Json<T>> {
    /// A `Json`, outside of the `Option`; inside it counts four times as much.
    pub const JSON: usize = 2;
}

/// A type that holds a value, given what is around it: the sum of what [`Probe`] says.
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
