//! What the attributes' expansions may name, and nothing else does. It is no part of the public interface and changes
//! without notice.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use std::option::Option::{self, None, Some};
pub use std::primitive::bool;
pub use std::result::Result::{self, Err, Ok};
pub use std::string::String;
pub use std::time::Duration;
pub use std::{concat, module_path};

pub use crate::engine::call::{Miss, Mode};
pub use crate::engine::load::Verdict;
pub use crate::engine::shape::{peel, share as sharing};
pub use crate::engine::shape::{Bare, BySerde, Coded, NotCoded, Seen, Shape, Shaped, Share, Tag, View};
pub use crate::engine::site::Site;
pub use crate::key::{Canonical, KeyWriter};

use crate::engine::remove::Name;
use crate::engine::{Core, current};
use crate::key::{digest_of_bytes, digest_of_json, to_json};
use crate::{CacheKey, CacheManager, Key, glob};

/// `crate::module::function`.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_path {
    ($name:literal) => {
        $crate::__private::concat!($crate::__private::module_path!(), "::", $name)
    };
}
pub use crate::__cache_path as path;

/// The shape of a return type.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_shape {
    ($t:ty) => {{
        #[allow(unused_imports)]
        use $crate::__private::peel::*;
        let tag = $crate::__private::Tag::<$crate::__private::Bare, $t>::of();
        let tag = (&tag).result();
        let tag = (&tag).json();
        let tag = (&tag).option();
        let tag = (&tag).json();
        (&tag).shape()
    }};
}
pub use crate::__cache_shape as shape;
pub use crate::__cache_shape as any_shape;

/// How errors of a return type are shared.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_share {
    ($t:ty) => {{
        #[allow(unused_imports)]
        use $crate::__private::sharing::*;
        (&&&$crate::__private::Tag::<$crate::__private::Bare, $t>::of()).share()
    }};
}
pub use crate::__cache_share as share;

/// Writes the digest of a value.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_hash {
    ($writer:expr, $value:expr) => {{
        #[allow(unused_imports)]
        use $crate::__private::digest::*;
        (&&&$crate::__private::digest::Of($value)).write($writer)
    }};
}
pub use crate::__cache_hash as hash;

/// The ways to take a digest, the better first.
pub mod digest {
    use super::{CacheKey, Canonical, KeyWriter, digest_of_bytes};

    /// A value whose digest is wanted.
    #[derive(Debug)]
    pub struct Of<'a, T: ?Sized>(pub &'a T);

    /// Of a text's own bytes.
    pub trait Text {
        /// Writes it.
        fn write(&self, out: &mut KeyWriter);
    }

    impl<T: AsRef<str> + ?Sized> Text for &&Of<'_, T> {
        fn write(&self, out: &mut KeyWriter) {
            out.digest(self.0.as_ref().as_bytes(), digest_of_bytes);
        }
    }

    /// Of the canonical JSON.
    pub trait Json {
        /// Writes it.
        fn write(&self, out: &mut KeyWriter);
    }

    impl<T: serde::Serialize + ?Sized> Json for &Of<'_, T> {
        fn write(&self, out: &mut KeyWriter) {
            let mut json = Vec::new();
            match self.0.canonical(&mut json) {
                Ok(()) => out.digest(&json, digest_of_bytes),
                Err(_) => out.fail(),
            }
        }
    }

    /// Of what the value would write into the key.
    pub trait Part {
        /// Writes it.
        fn write(&self, out: &mut KeyWriter);
    }

    impl<T: CacheKey + ?Sized> Part for Of<'_, T> {
        fn write(&self, out: &mut KeyWriter) {
            let mut text = KeyWriter::new();
            self.0.write_key(&mut text);
            out.digest(text.into_pattern().as_bytes(), digest_of_bytes);
        }
    }
}

/// Looks a call up; see [`crate::engine::call::lookup`].
#[inline]
pub fn lookup<S: Shape, C: Coded, H: Share<S::Ret>>(
    site: &'static Site,
    _: Shaped<S>,
    _: C,
    _: H,
    manager: Option<&CacheManager>,
    mode: Mode,
    render: impl Fn(&mut KeyWriter),
) -> Result<S::Ret, Miss<S, H>> {
    crate::engine::call::lookup::<S, C, H>(site, manager.map(|manager| &manager.core), mode, render)
}

/// Can be written into Redis and read back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in the cache",
    label = "`{Self}` cannot be written and read back",
    note = "derive `serde::Serialize` and `serde::Deserialize` for `{Self}`",
    note = "or keep its entries in this process: `tier = \"memory\"`"
)]
pub trait Written: Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Written for T {}

/// The codec of what a function returns.
pub fn codec<S: Shape>(_: Shaped<S>) -> BySerde<S::Stored>
where
    S::Stored: Written,
{
    BySerde::new()
}

/// No codec: the values stay in this process.
pub fn no_codec<S: Shape>(_: Shaped<S>) -> NotCoded {
    NotCoded
}

/// Names a manager: a [`CacheManager`], a reference to one, or one behind a pointer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no cache manager",
    label = "expected a `CacheManager` or a reference to one"
)]
pub trait Manager {
    /// The manager.
    fn manager(&self) -> &CacheManager;
}

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

/// The manager that an expression names.
pub fn manager<M: Manager + ?Sized>(manager: &M) -> &CacheManager {
    manager.manager()
}

/// Writes one part of a key.
#[inline]
pub fn part<T: CacheKey + ?Sized>(out: &mut KeyWriter, value: &T) {
    value.write_key(out);
}

/// Writes one part of a key, which text of the template follows in the same segment.
pub fn part_before<T: CacheKey + ?Sized>(out: &mut KeyWriter, end: u8, value: &T) {
    out.before(end, |out| value.write_key(out));
}

/// Writes one part of a key, which another part follows directly.
pub fn part_joined<T: CacheKey + ?Sized>(out: &mut KeyWriter, value: &T) {
    out.joined(|out| value.write_key(out));
}

/// Has a lower-case form.
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

/// Writes a text in lower case.
pub fn lower<T: Lower + ?Sized>(out: &mut KeyWriter, value: &T) {
    out.text(&value.lower());
}

/// Writes a text in lower case, which text of the template follows in the same segment.
pub fn lower_before<T: Lower + ?Sized>(out: &mut KeyWriter, end: u8, value: &T) {
    out.before(end, |out| out.text(&value.lower()));
}

/// Writes a text in lower case, which another part follows directly.
pub fn lower_joined<T: Lower + ?Sized>(out: &mut KeyWriter, value: &T) {
    out.joined(|out| out.text(&value.lower()));
}

/// Writes the digest of all the arguments of a function.
pub fn query_hash(out: &mut KeyWriter, path: &str, arguments: &[(&str, &dyn Canonical)]) {
    match to_json(arguments) {
        Some(json) => out.digest(&json, |json| digest_of_json(path, json)),
        None => out.fail(),
    }
}

/// Writes what a user's own function made of the arguments.
pub fn custom(out: &mut KeyWriter, text: impl Into<String>) {
    out.text(&text.into());
}

macro_rules! calls {
    ($($name:ident($($t:ident $a:ident),*))*) => {$(
        /// Calls a closure whose parameters are references to the arguments.
        pub fn $name<$($t: ?Sized,)* R>(f: impl FnOnce($(&$t),*) -> R, $($a: &$t),*) -> R {
            f($($a),*)
        }
    )*};
}
calls! {
    call0()
    call1(A a)
    call2(A a, B b)
    call3(A a, B b, C c)
    call4(A a, B b, C c, D d)
    call5(A a, B b, C c, D d, E e)
    call6(A a, B b, C c, D d, E e, F g)
    call7(A a, B b, C c, D d, E e, F g, G h)
    call8(A a, B b, C c, D d, E e, F g, G h, H i)
}

/// Calls a closure on a value.
pub fn apply<V: ?Sized, R>(value: &V, f: impl FnOnce(&V) -> R) -> R {
    f(value)
}

/// Stores every value.
pub fn store_all<V: ?Sized>(_: &V) -> Verdict {
    Verdict::store()
}

/// Counts a search.
pub fn popular<T: AsRef<str> + ?Sized>(manager: Option<&CacheManager>, text: &T) {
    core_of(manager, |core| core.record_search(text.as_ref()));
}

fn core_of<R>(manager: Option<&CacheManager>, see: impl Fn(&Arc<Core>) -> R) -> R {
    current::with(manager.map(|manager| &manager.core), |core, _| see(core))
}

/// A key from a template.
pub fn key_of(render: impl FnOnce(&mut KeyWriter)) -> Key {
    let mut writer = KeyWriter::new();
    render(&mut writer);
    Key::from_text(text_of(&mut writer))
}

/// The key that a writer has; it holds nothing but UTF-8.
fn text_of(writer: &mut KeyWriter) -> &str {
    std::str::from_utf8(writer.finish()).unwrap_or_default()
}

/// Invalidates one key.
pub async fn invalidate_key(manager: Option<&CacheManager>, key: Key) -> bool {
    let core = core_of(manager, Arc::clone);
    core.invalidate(Name::Key(key.as_str().to_owned())).await > 0
}

/// Invalidates all of a function.
pub async fn invalidate_target(manager: Option<&CacheManager>, target: Target) -> u64 {
    let core = core_of(manager, Arc::clone);
    core.invalidate(Name::Pattern(target.pattern)).await
}

/// All entries of a function.
#[derive(Debug, Clone)]
pub struct Target {
    pattern: String,
}

impl Target {
    /// A function whose keys match a pattern.
    pub fn function(_path: &'static str, pattern: &str) -> Self {
        Self { pattern: pattern.to_owned() }
    }

    /// A function whose namespace is its path; `rest` is what follows.
    pub fn function_by_path(path: &'static str, rest: &str) -> Self {
        Self { pattern: format!("{}{rest}", path.replace("::", ".")) }
    }
}

/// What a function invalidates after it has succeeded.
#[derive(Debug)]
pub struct Targets {
    manager: CacheManager,
    names: Vec<Name>,
}

impl Targets {
    /// Nothing yet, in this manager or the current one.
    pub fn new(manager: Option<&CacheManager>) -> Self {
        Self { manager: manager.map_or_else(CacheManager::current, Clone::clone), names: Vec::new() }
    }

    /// One entry of a function.
    pub fn key(&mut self, key: Key) {
        self.names.push(Name::Key(key.as_str().to_owned()));
    }

    /// All entries of a function.
    pub fn all(&mut self, target: Target) {
        self.names.push(Name::Pattern(target.pattern));
    }

    /// Keys that match a pattern. Values in it match themselves alone.
    pub fn pattern(&mut self, render: impl FnOnce(&mut KeyWriter)) {
        let mut writer = KeyWriter::new();
        render(&mut writer);
        self.names.push(Name::Pattern(writer.into_pattern()));
    }

    /// One key by its text.
    pub fn raw_key(&mut self, render: impl FnOnce(&mut KeyWriter)) {
        let mut writer = KeyWriter::new();
        render(&mut writer);
        self.names.push(Name::Key(text_of(&mut writer).to_owned()));
    }

    /// A tag.
    pub fn tag(&mut self, render: impl FnOnce(&mut KeyWriter)) {
        let mut writer = KeyWriter::new();
        render(&mut writer);
        self.names.push(Name::Tag(writer.into_pattern()));
    }
}

/// What is inside a result.
pub fn view<S: View>(_: Shaped<S>, ret: &S::Ret) -> Option<&S::Value> {
    match S::see(ret) {
        Seen::Value(value) => Some(value),
        Seen::Absent | Seen::Failed => None,
    }
}

/// Invalidates, unless the function failed.
pub async fn settle<S: View>(_: Shaped<S>, ret: &S::Ret, targets: Targets) {
    if matches!(S::see(ret), Seen::Failed) {
        return;
    }
    let done = targets.run();
    done.await;
}

impl Targets {
    async fn run(self) {
        let core = &self.manager.core;
        core.stats.direct.invalidations.fetch_add(self.names.len() as u64, std::sync::atomic::Ordering::Relaxed);
        for name in self.names {
            // A pattern without a wildcard is a key.
            let name = match name {
                Name::Pattern(text) if !glob::is_pattern(&text) => Name::Key(text),
                name => name,
            };
            core.invalidate(name).await;
        }
    }
}
