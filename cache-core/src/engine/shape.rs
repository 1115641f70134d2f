//! The return types of functions, told apart by their types and not by their names: what is inside `Result`, `Option`,
//! `Json` and `Arc`, and how it is put together again. Nothing here is ever instantiated.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use super::held;
use crate::SharedError;
use crate::bound::Kept;
use crate::codec::Codec;

/// What a function's result holds.
#[derive(Debug)]
pub enum Seen<'a, V> {
    /// A value.
    Value(&'a V),
    /// A `None`.
    Absent,
    /// An error.
    Failed,
}

/// How to look into a result.
pub trait View {
    /// What the function returns.
    type Ret;
    /// What is inside.
    type Value;
    /// What is inside, with an `Arc` that is around it.
    type Held;
    /// What is around the inside, as the sum that [`Holds`](super::held::Holds) reckons with.
    const AROUND: usize = 0;
    /// Looks into it.
    fn see(ret: &Self::Ret) -> Seen<'_, Self::Value>;
}

/// How to store what is inside a result, and how to make a result of it.
pub trait Shape: View {
    /// What is stored.
    type Stored: Send + Sync + 'static;
    /// The value, to be shared.
    fn share(ret: &Self::Ret) -> Option<Arc<Self::Stored>>;
    /// A result that holds the value.
    fn give(value: Arc<Self::Stored>) -> Self::Ret;
    /// A result that holds nothing, where there is one.
    fn absent() -> Option<Self::Ret>;
    /// What is inside, as it is stored.
    fn value(value: &Self::Value) -> &Self::Stored;
    /// What is stored, as hooks see it.
    fn seen(stored: &Self::Stored) -> &Self::Value;
    /// What is stored, as it is held outside.
    fn hold(stored: Arc<Self::Stored>) -> Self::Held;
    /// What is held outside, to be stored.
    fn keep(held: Self::Held) -> Arc<Self::Stored>;
}

/// A value that is returned as it is.
#[derive(Debug)]
pub struct Plain<T>(PhantomData<fn() -> T>);

impl<T> View for Plain<T> {
    type Ret = T;
    type Value = T;
    type Held = T;
    fn see(ret: &T) -> Seen<'_, T> {
        Seen::Value(ret)
    }
}

impl<T: Kept> Shape for Plain<T> {
    type Stored = T;
    fn share(ret: &T) -> Option<Arc<T>> {
        Some(Arc::new(ret.clone()))
    }
    #[inline]
    fn give(value: Arc<T>) -> T {
        // Where nobody else has it, it need not be cloned.
        Arc::try_unwrap(value).unwrap_or_else(|value| T::clone(&value))
    }
    fn absent() -> Option<T> {
        None
    }
    fn value(value: &T) -> &T {
        value
    }
    fn seen(stored: &T) -> &T {
        stored
    }
    fn hold(stored: Arc<T>) -> T {
        Self::give(stored)
    }
    fn keep(held: T) -> Arc<T> {
        Arc::new(held)
    }
}

/// A value behind an `Arc`, which is stored without copying it.
#[derive(Debug)]
pub struct Shared<T>(PhantomData<fn() -> T>);

impl<T> View for Shared<T> {
    type Ret = Arc<T>;
    type Value = T;
    type Held = Arc<T>;
    fn see(ret: &Arc<T>) -> Seen<'_, T> {
        Seen::Value(ret)
    }
}

impl<T: Send + Sync + 'static> Shape for Shared<T> {
    type Stored = T;
    fn share(ret: &Arc<T>) -> Option<Arc<T>> {
        Some(Arc::clone(ret))
    }
    #[inline]
    fn give(value: Arc<T>) -> Arc<T> {
        value
    }
    fn absent() -> Option<Arc<T>> {
        None
    }
    fn value(value: &T) -> &T {
        value
    }
    fn seen(stored: &T) -> &T {
        stored
    }
    fn hold(stored: Arc<T>) -> Arc<T> {
        stored
    }
    fn keep(held: Arc<T>) -> Arc<T> {
        held
    }
}

/// A value in a `Result`.
#[derive(Debug)]
pub struct Fallible<S, E>(PhantomData<fn() -> (S, E)>);

impl<S: View, E> View for Fallible<S, E> {
    type Ret = Result<S::Ret, E>;
    type Value = S::Value;
    type Held = S::Held;
    const AROUND: usize = held::around_result(S::AROUND);
    fn see(ret: &Self::Ret) -> Seen<'_, S::Value> {
        match ret {
            Ok(value) => S::see(value),
            Err(_) => Seen::Failed,
        }
    }
}

impl<S: Shape, E> Shape for Fallible<S, E> {
    type Stored = S::Stored;
    fn share(ret: &Self::Ret) -> Option<Arc<S::Stored>> {
        S::share(ret.as_ref().ok()?)
    }
    #[inline]
    fn give(value: Arc<S::Stored>) -> Self::Ret {
        Ok(S::give(value))
    }
    fn absent() -> Option<Self::Ret> {
        S::absent().map(Ok)
    }
    fn value(value: &S::Value) -> &S::Stored {
        S::value(value)
    }
    fn seen(stored: &S::Stored) -> &S::Value {
        S::seen(stored)
    }
    fn hold(stored: Arc<S::Stored>) -> S::Held {
        S::hold(stored)
    }
    fn keep(held: S::Held) -> Arc<S::Stored> {
        S::keep(held)
    }
}

/// A value in an `Option`.
#[derive(Debug)]
pub struct Optional<S>(PhantomData<fn() -> S>);

impl<S: View> View for Optional<S> {
    type Ret = Option<S::Ret>;
    type Value = S::Value;
    type Held = S::Held;
    const AROUND: usize = held::around_option(S::AROUND);
    fn see(ret: &Self::Ret) -> Seen<'_, S::Value> {
        match ret {
            Some(value) => S::see(value),
            None => Seen::Absent,
        }
    }
}

impl<S: Shape> Shape for Optional<S> {
    type Stored = S::Stored;
    fn share(ret: &Self::Ret) -> Option<Arc<S::Stored>> {
        S::share(ret.as_ref()?)
    }
    #[inline]
    fn give(value: Arc<S::Stored>) -> Self::Ret {
        Some(S::give(value))
    }
    fn absent() -> Option<Self::Ret> {
        Some(None)
    }
    fn value(value: &S::Value) -> &S::Stored {
        S::value(value)
    }
    fn seen(stored: &S::Stored) -> &S::Value {
        S::seen(stored)
    }
    fn hold(stored: Arc<S::Stored>) -> S::Held {
        S::hold(stored)
    }
    fn keep(held: S::Held) -> Arc<S::Stored> {
        S::keep(held)
    }
}

/// A value in axum's `Json`.
#[cfg(feature = "axum")]
#[derive(Debug)]
pub struct InJson<S>(PhantomData<fn() -> S>);

#[cfg(feature = "axum")]
impl<S: View> View for InJson<S> {
    type Ret = axum::Json<S::Ret>;
    type Value = S::Value;
    type Held = S::Held;
    const AROUND: usize = held::around_json(S::AROUND);
    fn see(ret: &Self::Ret) -> Seen<'_, S::Value> {
        S::see(&ret.0)
    }
}

#[cfg(feature = "axum")]
impl<S: Shape> Shape for InJson<S> {
    type Stored = S::Stored;
    fn share(ret: &Self::Ret) -> Option<Arc<S::Stored>> {
        S::share(&ret.0)
    }
    #[inline]
    fn give(value: Arc<S::Stored>) -> Self::Ret {
        axum::Json(S::give(value))
    }
    fn absent() -> Option<Self::Ret> {
        S::absent().map(axum::Json)
    }
    fn value(value: &S::Value) -> &S::Stored {
        S::value(value)
    }
    fn seen(stored: &S::Stored) -> &S::Value {
        S::seen(stored)
    }
    fn hold(stored: Arc<S::Stored>) -> S::Held {
        S::hold(stored)
    }
    fn keep(held: S::Held) -> Arc<S::Stored> {
        S::keep(held)
    }
}

/// A shape, as a value.
#[derive(Debug)]
pub struct Shaped<S>(PhantomData<fn() -> S>);

impl<S> Shaped<S> {
    /// One that is still to be told. A constant, so that nothing is called for it in builds without optimization.
    pub const TOLD: Self = Self(PhantomData);

    /// Tells which it is. This is for the compiler alone and is never called.
    pub fn is(self, _: Self) {}
}

impl<S> Clone for Shaped<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Shaped<S> {}

/// What stands around a type that is still to be looked at.
pub trait Around {
    /// The shape of the whole, given that of the inside.
    type Of<S>;
}

/// Nothing.
#[derive(Debug)]
pub struct Bare;

impl Around for Bare {
    type Of<S> = S;
}

/// A `Result` with this error.
#[derive(Debug)]
pub struct AroundResult<W, E>(PhantomData<fn() -> (W, E)>);

impl<W: Around, E> Around for AroundResult<W, E> {
    type Of<S> = W::Of<Fallible<S, E>>;
}

/// An `Option`.
#[derive(Debug)]
pub struct AroundOption<W>(PhantomData<fn() -> W>);

impl<W: Around> Around for AroundOption<W> {
    type Of<S> = W::Of<Optional<S>>;
}

/// A `Json`.
#[cfg(feature = "axum")]
#[derive(Debug)]
pub struct AroundJson<W>(PhantomData<fn() -> W>);

#[cfg(feature = "axum")]
impl<W: Around> Around for AroundJson<W> {
    type Of<S> = W::Of<InJson<S>>;
}

/// A type under inspection, and what stands around it. Each step from the outside in has two forms: one for the wrapper that
/// it takes off, which stands here, and one for every other type, which `Else` has. A method that is not found here is looked
/// for there; that needs no trait in scope, and costs the compiler less than a choice between traits.
#[derive(Debug)]
pub struct Tag<W, T>(PhantomData<fn() -> (W, T)>);

/// The steps for what is not in a wrapper.
#[derive(Debug)]
pub struct Else<W, T>(PhantomData<fn() -> (W, T)>);

impl<W, T> Tag<W, T> {
    const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Tag<Bare, T> {
    /// Begins with a whole return type.
    pub const fn of() -> Self {
        Self::new()
    }
}

impl<W, T> Deref for Tag<W, T> {
    type Target = Else<W, T>;

    fn deref(&self) -> &Else<W, T> {
        &Else(PhantomData)
    }
}

impl<W, T, E> Tag<W, Result<T, E>> {
    /// Takes the `Result` off.
    pub fn result(&self) -> Tag<AroundResult<W, E>, T> {
        Tag::new()
    }
}

impl<W, T> Tag<W, Option<T>> {
    /// Takes the `Option` off.
    pub fn option(&self) -> Tag<AroundOption<W>, T> {
        Tag::new()
    }
}

#[cfg(feature = "axum")]
impl<W, T> Tag<W, axum::Json<T>> {
    /// Takes the `Json` off.
    pub fn json(&self) -> Tag<AroundJson<W>, T> {
        Tag::new()
    }
}

impl<W: Around, T> Tag<W, Arc<T>> {
    /// The whole shape.
    pub fn shape(&self) -> Shaped<W::Of<Shared<T>>> {
        Shaped::TOLD
    }
}

#[expect(clippy::unused_self, reason = "a method is what `Deref` leads to")]
impl<W, T> Else<W, T> {
    /// There is no `Result`.
    pub fn result(&self) -> Tag<W, T> {
        Tag::new()
    }

    /// There is no `Option`.
    pub fn option(&self) -> Tag<W, T> {
        Tag::new()
    }

    /// There is no `Json`.
    #[cfg(feature = "axum")]
    pub fn json(&self) -> Tag<W, T> {
        Tag::new()
    }
}

#[expect(clippy::unused_self, reason = "a method is what `Deref` leads to")]
impl<W: Around, T> Else<W, T> {
    /// The whole shape.
    pub fn shape(&self) -> Shaped<W::Of<Plain<T>>> {
        Shaped::TOLD
    }
}

/// The type of a value. `()` is told apart.
#[derive(Debug)]
pub struct Inside<T>(PhantomData<fn() -> T>);

/// Every type but `()`.
#[derive(Debug)]
pub struct InsideElse(());

impl<T> Inside<T> {
    /// Of the value in a result.
    pub const fn of<S: View<Value = T>>(_: Shaped<S>) -> Self {
        Self(PhantomData)
    }
}

impl<T> Deref for Inside<T> {
    type Target = InsideElse;

    fn deref(&self) -> &InsideElse {
        &InsideElse(())
    }
}

/// `()`, and the type of what rustc could not make out, about which it has said enough.
pub trait Unit {}

impl Unit for () {}

impl<T: Unit> Inside<T> {
    /// The type itself.
    pub fn content(&self) -> PhantomData<T> {
        PhantomData
    }
}

#[expect(clippy::unused_self, reason = "a method is what `Deref` leads to")]
impl InsideElse {
    /// What stands for it.
    pub fn content(&self) -> PhantomData<Something> {
        PhantomData
    }
}

/// Stands for every type of value but `()`.
#[derive(Debug)]
pub struct Something;

/// How the error of one caller becomes that of another.
pub trait Share<R> {
    /// The error, in a form that all can have.
    fn export(ret: &R) -> Option<Arc<dyn std::any::Any + Send + Sync>>;
    /// A result with that error.
    fn import(error: &(dyn std::any::Any + Send + Sync)) -> Option<R>;
}

/// The error is cloned.
#[derive(Debug)]
pub struct Cloned;

impl<T, E: Clone + Send + Sync + 'static> Share<Result<T, E>> for Cloned {
    fn export(ret: &Result<T, E>) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        Some(Arc::new(ret.as_ref().err()?.clone()))
    }
    fn import(error: &(dyn std::any::Any + Send + Sync)) -> Option<Result<T, E>> {
        Some(Err(error.downcast_ref::<E>()?.clone()))
    }
}

/// The error is told as a [`SharedError`].
#[derive(Debug)]
pub struct Told;

impl<T, E: From<SharedError> + std::fmt::Display> Share<Result<T, E>> for Told {
    fn export(ret: &Result<T, E>) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        // The alternate form of some errors has their causes in it.
        Some(Arc::new(SharedError::new(format!("{:#}", ret.as_ref().err()?))))
    }
    fn import(error: &(dyn std::any::Any + Send + Sync)) -> Option<Result<T, E>> {
        Some(Err(error.downcast_ref::<SharedError>()?.clone().into()))
    }
}

/// There is no error, or it cannot be shared.
#[derive(Debug)]
pub struct Unshared;

impl<R> Share<R> for Unshared {
    fn export(_: &R) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        None
    }
    fn import(_: &(dyn std::any::Any + Send + Sync)) -> Option<R> {
        None
    }
}

/// A way to share errors, as a type.
#[derive(Debug)]
pub struct How<H>(PhantomData<fn() -> H>);

impl<H> How<H> {
    /// One that is still to be told.
    pub const TOLD: Self = Self(PhantomData);

    /// Tells which it is. This is for the compiler alone and is never called.
    pub fn is(&self, _: Self) {}
}

/// A return type whose errors are to be shared. The better way is found first: what is not found here is looked for in
/// `ByMessage`, and then in `NotAtAll`.
#[derive(Debug)]
pub struct ByClone<R>(PhantomData<fn() -> R>);

/// The error can be told, or it cannot be shared.
#[derive(Debug)]
pub struct ByMessage<R>(PhantomData<fn() -> R>);

/// There is no error, or it cannot be shared.
#[derive(Debug)]
pub struct NotAtAll(());

impl<R> ByClone<R> {
    /// Begins.
    pub const fn of() -> Self {
        Self(PhantomData)
    }
}

impl<R> Deref for ByClone<R> {
    type Target = ByMessage<R>;

    fn deref(&self) -> &ByMessage<R> {
        &ByMessage(PhantomData)
    }
}

impl<R> Deref for ByMessage<R> {
    type Target = NotAtAll;

    fn deref(&self) -> &NotAtAll {
        &NotAtAll(())
    }
}

impl<T, E: Clone + Send + Sync + 'static> ByClone<Result<T, E>> {
    /// How.
    pub fn share(&self) -> How<Cloned> {
        How::TOLD
    }
}

#[expect(clippy::unused_self, reason = "a method is what `Deref` leads to")]
impl<T, E: From<SharedError> + std::fmt::Display> ByMessage<Result<T, E>> {
    /// How.
    pub fn share(&self) -> How<Told> {
        How::TOLD
    }
}

#[expect(clippy::unused_self, reason = "a method is what `Deref` leads to")]
impl NotAtAll {
    /// How.
    pub fn share(&self) -> How<Unshared> {
        How::TOLD
    }
}

/// How values are written and read, if they are.
pub trait Coded {
    /// The codec.
    fn codec() -> Option<Codec>;
}

/// Values are written by their `Serialize`.
#[derive(Debug)]
pub struct BySerde<T>(PhantomData<fn() -> T>);

impl<T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static> Coded for BySerde<T> {
    fn codec() -> Option<Codec> {
        Some(crate::codec::of::<T>())
    }
}

/// Values stay in this process.
#[derive(Debug)]
pub struct NotCoded;

impl Coded for NotCoded {
    fn codec() -> Option<Codec> {
        None
    }
}
