//! What the attributes ask of types.
//!
//! These traits have names of their own so that the compiler can name them where a type falls short. Each is
//! implemented for every type that qualifies; [`CacheKey`] alone is there to be derived or implemented by hand.
//!
//! | trait | asked of | by |
//! |---|---|---|
//! | [`CacheKey`] | arguments and fields in a key | the templates |
//! | [`Canonical`] | all arguments of a search | `#[cache_search_results]` |
//! | [`Hashed`] | arguments and fields in a key | `{..:hash}` |
//! | [`Lower`] | arguments and fields in a key | `{..:lower}` |
//! | [`KeyText`] | what a `key_fn` gives | `key_fn` |
//! | [`Searched`] | the text of a search | `popular` |
//! | [`Filled`] | what a function returns | the attributes that cache |
//! | [`Kept`] | what a function returns | the attributes that cache |
//! | [`Written`] | what a function returns | these, without `tier = "memory"` |
//! | [`MayBeNone`] | what a function returns | `none_ttl` |
//! | [`MayFail`] | what a function returns | `stale_if_error` |
//! | [`TimesOut`] | what a function returns | `hard_timeout` |
//! | `Responds` | what a function returns | `#[cache_response]` |
//! | [`Background`] | arguments and what a function returns | `stale_while_revalidate`, `refresh_ahead`, `soft_timeout` |
//! | [`Manager`] | an expression | `manager` |
//! | [`Batch`] | what a function returns | `each` |
//! | [`Repeated`] | the other arguments | `each` |
//! | [`HasEntry`] | methods | `entry!` |
//! | [`Cached`] | methods among the targets | `#[invalidate_cache]` |

// Most are asked for through a method of their own: of any other function rustc explains where its bound stands.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::__private::digest::{Json, Part, Text};
use crate::__private::{Place, Target};
use crate::key::{KeyWriter, digest_of_bytes};
use crate::{CacheKey, CacheManager, Key, SharedError};

pub use crate::key::Canonical;

/// Can be written into Redis and read back: `Serialize + DeserializeOwned + Send + Sync + 'static`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in the cache",
    label = "`{Self}` cannot be written and read back",
    note = "derive `serde::Serialize` and `serde::Deserialize` for `{Self}`",
    note = "or keep its entries in this process: `tier = \"memory\"`"
)]
pub trait Written: Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Written for T {}

// A function, since a path through the trait would ask for its supertraits first, in their words.
/// Asks for [`Written`].
pub fn written<T: Written>(_: PhantomData<T>) {}

/// Can be stored: a value that can be cloned and sent between threads, and borrows nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in the cache",
    label = "this value cannot be kept",
    note = "a cached value is `Clone + Send + Sync + 'static`; returning `Arc<{Self}>` makes any type `Clone`"
)]
pub trait Kept: Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> Kept for T {}

/// Asks for [`Kept`].
pub fn kept<T: Kept>(_: PhantomData<T>) {}

/// Holds something: every type but `()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds nothing that could be cached",
    label = "there is no value in this",
    note = "return the value to be cached, or remove the attribute"
)]
pub trait Filled {
    #[doc(hidden)]
    fn filled(_: PhantomData<Self>) {}
}

#[diagnostic::do_not_recommend]
impl Filled for crate::__private::Something {}

/// Can be `None`: an `Option`, in a `Result` or a `Json` too.
#[diagnostic::on_unimplemented(
    message = "`none_ttl` does nothing: `{Self}` is never `None`",
    label = "there is no `Option` in what the function returns",
    note = "remove it, or return `Option<..>`"
)]
pub trait MayBeNone {
    #[doc(hidden)]
    fn may_be_none(_: PhantomData<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<T> MayBeNone for Option<T> {}

#[diagnostic::do_not_recommend]
impl<T: MayBeNone, E> MayBeNone for Result<T, E> {}

#[cfg(feature = "axum")]
#[diagnostic::do_not_recommend]
impl<T: MayBeNone> MayBeNone for axum::Json<T> {}

/// Can fail: a `Result`.
#[diagnostic::on_unimplemented(
    message = "`stale_if_error` does nothing: `{Self}` is never an error",
    label = "there is no `Result` in what the function returns",
    note = "remove it, or return `Result<.., ..>`"
)]
pub trait MayFail {
    #[doc(hidden)]
    fn may_fail(_: PhantomData<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<T, E> MayFail for Result<T, E> {}

/// Can answer a request: axum's `IntoResponse`.
#[cfg(feature = "axum")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no response",
    label = "axum cannot make a response of this",
    note = "return what implements `IntoResponse`, such as `Json<..>`, `Response` or `impl IntoResponse`",
    note = "to cache a value and not a response there is `#[cache_result]`"
)]
pub trait Responds {
    #[doc(hidden)]
    fn responded(self) -> axum::response::Response;
}

#[cfg(feature = "axum")]
#[diagnostic::do_not_recommend]
impl<T: axum::response::IntoResponse> Responds for T {
    fn responded(self) -> axum::response::Response {
        self.into_response()
    }
}

/// Can say that it took too long: a `Result` whose error is made from a [`SharedError`].
#[diagnostic::on_unimplemented(
    message = "`hard_timeout` has no error to return: none in `{Self}` can be made from `cache_core::SharedError`",
    label = "this cannot say that the function took too long",
    note = "return `Result<.., E>` with an `impl From<cache_core::SharedError> for E`, or remove `hard_timeout`"
)]
pub trait TimesOut: Sized {
    #[doc(hidden)]
    fn timed_out(error: SharedError) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<SharedError>> TimesOut for Result<T, E> {
    fn timed_out(error: SharedError) -> Self {
        Err(error.into())
    }
}

/// Can be used in the background, on another thread: `Send`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used in the background",
    label = "this cannot be sent to another thread",
    note = "with `stale_while_revalidate`, `refresh_ahead` or `soft_timeout` the function goes on after its caller has its value, on another thread",
    note = "take and return what is `Send`: `Arc` instead of `Rc`, `dyn Trait + Send + Sync` instead of `dyn Trait`"
)]
pub trait Background: Send {}

#[diagnostic::do_not_recommend]
impl<T: Send> Background for T {}

/// Asks an argument for [`Background`].
pub fn taken_along<T: Background>(_: &T) {}

/// Asks what is returned for [`Background`].
pub fn brought_back<T: Background>(_: PhantomData<T>) {}

/// Has a value for each of several elements: a `HashMap`, or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell the values of elements of type `{K}` apart",
    label = "expected a `HashMap` with keys of type `{K}`, or a `Result` of one",
    note = "with `each` a function returns `HashMap<{K}, V>` or `Result<HashMap<{K}, V>, E>`"
)]
pub trait Batch<K>: Sized {
    /// The value of one element.
    type Value;
    /// What a call for one element would return: an `Option` of its value, in a `Result` where there is one.
    type Element;
    #[doc(hidden)]
    type Map;
    #[doc(hidden)]
    fn with_room(elements: usize) -> Self::Map;
    #[doc(hidden)]
    fn has(map: &Self::Map, element: &K) -> bool;
    /// Takes what is known of an element; an error is that of the whole.
    #[doc(hidden)]
    fn fill(map: &mut Self::Map, element: K, value: Self::Element) -> Result<(), Self>;
    #[doc(hidden)]
    fn take(map: &mut Self::Map, element: &K) -> Self::Element;
    #[doc(hidden)]
    fn whole(map: Self::Map) -> Self;
    /// The values, or what each of the elements has of the error.
    #[doc(hidden)]
    fn open(self) -> Result<Self::Map, Self::Element>;
}

#[diagnostic::do_not_recommend]
impl<K: Eq + Hash, V, S: BuildHasher + Default> Batch<K> for HashMap<K, V, S> {
    type Value = V;
    type Element = Option<V>;
    type Map = Self;
    fn with_room(elements: usize) -> Self {
        Self::with_capacity_and_hasher(elements, S::default())
    }
    fn has(map: &Self, element: &K) -> bool {
        map.contains_key(element)
    }
    fn fill(map: &mut Self, element: K, value: Option<V>) -> Result<(), Self> {
        if let Some(value) = value {
            map.insert(element, value);
        }
        Ok(())
    }
    fn take(map: &mut Self, element: &K) -> Option<V> {
        map.remove(element)
    }
    fn whole(map: Self) -> Self {
        map
    }
    fn open(self) -> Result<Self, Option<V>> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<K: Eq + Hash, V, S: BuildHasher + Default, E> Batch<K> for Result<HashMap<K, V, S>, E> {
    type Value = V;
    type Element = Result<Option<V>, E>;
    type Map = HashMap<K, V, S>;
    fn with_room(elements: usize) -> Self::Map {
        HashMap::with_room(elements)
    }
    fn has(map: &Self::Map, element: &K) -> bool {
        map.contains_key(element)
    }
    fn fill(map: &mut Self::Map, element: K, value: Result<Option<V>, E>) -> Result<(), Self> {
        if let Some(value) = value.map_err(Err)? {
            map.insert(element, value);
        }
        Ok(())
    }
    fn take(map: &mut Self::Map, element: &K) -> Result<Option<V>, E> {
        Ok(map.remove(element))
    }
    fn whole(map: Self::Map) -> Self {
        Ok(map)
    }
    fn open(self) -> Result<Self::Map, Result<Option<V>, E>> {
        self.map_err(Err)
    }
}

/// Can be given to a body more than once: `Clone`, as references are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given to the body more than once",
    label = "this is not `Clone`",
    note = "with `each` a call may run its body again, for elements that another call gave up",
    note = "take it by reference, or in an `Arc`"
)]
pub trait Repeated {
    #[doc(hidden)]
    #[must_use]
    fn repeated(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Repeated for T {
    fn repeated(&self) -> Self {
        self.clone()
    }
}

// Of one type for all functions, so that what a body lacks is told of this function and not of what runs it.
/// A function that goes on after its caller has its value.
pub fn goes_on<F: Future + Send + 'static>(future: F) -> Pin<Box<dyn Future<Output = F::Output> + Send>> {
    Box::pin(future)
}

/// Names a manager: a [`CacheManager`], a reference to one, or one behind an `Arc`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no cache manager",
    label = "expected a `CacheManager` or a reference to one"
)]
pub trait Manager {
    /// The manager.
    fn manager(&self) -> &CacheManager;
}

#[diagnostic::do_not_recommend]
impl Manager for CacheManager {
    fn manager(&self) -> &CacheManager {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<M: Manager + ?Sized> Manager for &M {
    fn manager(&self) -> &CacheManager {
        (**self).manager()
    }
}

#[diagnostic::do_not_recommend]
impl<M: Manager + ?Sized> Manager for Arc<M> {
    fn manager(&self) -> &CacheManager {
        (**self).manager()
    }
}

/// Has a lower-case form: text.
#[diagnostic::on_unimplemented(
    message = "`:lower` takes text, which `{Self}` is not",
    label = "this is no text",
    note = "leave the filter out"
)]
pub trait Lower {
    /// The lower-case form.
    fn lower(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<T: AsRef<str> + ?Sized> Lower for T {
    fn lower(&self) -> String {
        self.as_ref().to_lowercase()
    }
}

/// Can be hashed into a key: text by its UTF-8, what is `Serialize` by its canonical JSON, and every other key part by
/// what it writes into keys. `Way` is one of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be hashed into a cache key",
    label = "`{Self}` is neither text nor `Serialize` nor a key part",
    note = "derive `serde::Serialize` for it, or leave it out of the key: `skip(..)`"
)]
pub trait Hashed<Way = ()> {
    #[doc(hidden)]
    fn hash_into(way: Way, value: &Self, out: &mut KeyWriter);
}

#[diagnostic::do_not_recommend]
impl<T: AsRef<str> + ?Sized> Hashed<Text> for T {
    fn hash_into(_: Text, value: &Self, out: &mut KeyWriter) {
        out.digest(value.as_ref().as_bytes(), digest_of_bytes);
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Hashed<Json> for T {
    fn hash_into(_: Json, value: &Self, out: &mut KeyWriter) {
        let mut json = Vec::new();
        match value.canonical(&mut json) {
            Ok(()) => out.digest(&json, digest_of_bytes),
            Err(_) => out.fail(),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: CacheKey + ?Sized> Hashed<Part> for T {
    fn hash_into(_: Part, value: &Self, out: &mut KeyWriter) {
        let mut text = KeyWriter::new();
        value.write_key(&mut text);
        out.digest(text.into_pattern().as_bytes(), digest_of_bytes);
    }
}

/// Can stand in a key as text: `Into<String>`.
#[diagnostic::on_unimplemented(
    message = "`key_fn` gives text, which `{Self}` is not",
    label = "this gives `{Self}`",
    note = "give a `String` or a `&str`, with `to_string()` or `format!(..)`"
)]
pub trait KeyText {
    /// The text.
    fn key_text(self) -> String;
}

#[diagnostic::do_not_recommend]
impl<T: Into<String>> KeyText for T {
    fn key_text(self) -> String {
        self.into()
    }
}

/// Can be counted among the popular searches: text.
#[diagnostic::on_unimplemented(
    message = "`popular` counts texts, and `{Self}` is no text",
    label = "this is no text",
    note = "name the argument that people typed, or remove the option"
)]
pub trait Searched {
    /// The text.
    fn searched(&self) -> &str;
}

#[diagnostic::do_not_recommend]
impl<T: AsRef<str> + ?Sized> Searched for T {
    fn searched(&self) -> &str {
        self.as_ref()
    }
}

/// Is cached: the methods that `#[invalidate_cache]` names.
#[diagnostic::on_unimplemented(
    message = "this method is not cached, so it has no entries to drop",
    label = "no attribute that caches is on this method",
    note = "put `#[cache_result]` on it, or name the key: `\"lead:{{id}}\"`"
)]
pub trait Cached {
    #[doc(hidden)]
    type Target;
    #[doc(hidden)]
    fn cached(self) -> Self::Target;
}

#[diagnostic::do_not_recommend]
impl Cached for Key {
    type Target = Self;
    fn cached(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl Cached for Target {
    type Target = Self;
    fn cached(self) -> Self {
        self
    }
}

/// Has entries that can be named by the keyed arguments: the methods that `entry!` names.
#[diagnostic::on_unimplemented(
    message = "this method has no entry to name by its key",
    label = "it is not cached, or it needs arguments that are not in its key",
    note = "put `#[cache_result]` on it; its `tags`, `ttl`, `ttl_from` and `manager` may take no argument outside of the key"
)]
pub trait HasEntry {
    #[doc(hidden)]
    type Place;
    #[doc(hidden)]
    fn entry(self) -> Self::Place;
}

#[diagnostic::do_not_recommend]
impl<R> HasEntry for Place<R> {
    type Place = Self;
    fn entry(self) -> Self {
        self
    }
}

/// A method without an attribute that caches.
#[derive(Debug)]
pub struct Uncached;

/// Calls the closure of `cache_if` or `ttl_from` on a value.
pub fn on_value<V: ?Sized, R>(value: &V, closure: impl FnOnce(&V) -> R) -> R {
    closure(value)
}

macro_rules! calls {
    ($($name:ident($($t:ident $a:ident),*))*) => {$(
        /// Calls the closure of `key_fn`, whose parameters are references to the arguments.
        #[allow(clippy::too_many_arguments, reason = "as many as the user's function has")]
        pub fn $name<$($t: ?Sized,)* R>(closure: impl FnOnce($(&$t),*) -> R, $($a: &$t),*) -> R {
            closure($($a),*)
        }
    )*};
}
calls! {
    key_fn0()
    key_fn1(A a)
    key_fn2(A a, B b)
    key_fn3(A a, B b, C c)
    key_fn4(A a, B b, C c, D d)
    key_fn5(A a, B b, C c, D d, E e)
    key_fn6(A a, B b, C c, D d, E e, F f)
    key_fn7(A a, B b, C c, D d, E e, F f, G g)
    key_fn8(A a, B b, C c, D d, E e, F f, G g, H h)
}

#[cfg(all(test, feature = "macros"))]
mod tests {
    use std::collections::HashSet;

    use crate::{CacheKey, KeyWriter};

    #[derive(CacheKey)]
    enum Shape {
        A,
        B(),
        Text(String),
        Texts(String, String),
        Pair { a: Box<Shape>, b: Option<u8> },
        List(Vec<String>),
        Id(Id),
    }

    #[derive(CacheKey)]
    struct Id(u64);

    fn shapes() -> Vec<Shape> {
        let text = |text: &str| Shape::Text(text.to_owned());
        let texts = |a: &str, b: &str| Shape::Texts(a.to_owned(), b.to_owned());
        let pair = |a: Shape, b: Option<u8>| Shape::Pair { a: Box::new(a), b };
        let list = |items: &[&str]| Shape::List(items.iter().map(|item| (*item).to_owned()).collect());
        vec![
            Shape::A,
            Shape::B(),
            text("A"),
            text(""),
            text("a,b"),
            text("(A)"),
            texts("a", "b"),
            texts("a,b", ""),
            texts("", "a,b"),
            texts("Texts", "a"),
            pair(Shape::A, None),
            pair(Shape::A, Some(1)),
            pair(Shape::B(), None),
            pair(pair(Shape::A, None), None),
            pair(pair(Shape::A, None), Some(1)),
            list(&[]),
            list(&[""]),
            list(&["a", "b"]),
            list(&["a,b"]),
            Shape::Id(Id(1)),
        ]
    }

    #[test]
    fn k3_derived_forms_differ_in_keys() {
        let shapes = shapes();
        let texts: HashSet<String> = shapes
            .iter()
            .map(|shape| {
                let mut writer = KeyWriter::new();
                shape.write_key(&mut writer);
                writer.into_pattern()
            })
            .collect();
        assert_eq!(texts.len(), shapes.len(), "{texts:?}");
    }

    #[test]
    fn k3_derived_forms_differ_as_bytes_and_none_begins_another() {
        let bytes: Vec<Vec<u8>> = shapes()
            .iter()
            .map(|shape| {
                let mut writer = KeyWriter::arguments();
                shape.write_key(&mut writer);
                writer.short().map(<[u8]>::to_vec).unwrap_or_default()
            })
            .collect();
        for (index, one) in bytes.iter().enumerate() {
            assert!(!one.is_empty());
            assert!(
                bytes
                    .iter()
                    .enumerate()
                    .all(|(other, bytes)| other == index || !bytes.starts_with(one)),
                "{one:?}"
            );
        }
    }
}
