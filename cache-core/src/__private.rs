//! What the attributes' expansions may name, and nothing else does. It is no part of the public interface and changes
//! without notice.

use std::fmt::Write as _;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub use std::any::type_name;
pub use std::boxed::Box;
pub use std::future::Future;
pub use std::marker::Sized;
pub use std::option::Option::{self, None, Some};
pub use std::pin::pin;
pub use std::primitive::{bool, usize};
pub use std::result::Result::{self, Err, Ok};
pub use std::string::String;
pub use std::time::Duration;
pub use std::{concat, module_path};

pub use inventory;

#[cfg(feature = "axum")]
pub use crate::axum::answers;
pub use crate::each::{Each, Said};
pub use crate::engine::call::{Mode, Render};
pub use crate::engine::held::{Holds, around};
pub use crate::engine::info::{FunctionInfo, TargetInfo};
pub use crate::engine::load::Verdict;
pub use crate::engine::miss::Miss;
pub use crate::engine::shape::{
    Bare, ByClone, BySerde, Coded, How, Inside, NotCoded, Seen, Shape, Shaped, Share, Something, Tag, View,
};
pub use crate::engine::site::{Registered, Site};
pub use crate::handle::Place;
pub use crate::key::{Canonical, KeyWriter};
pub use crate::load::{Load, LoadIf, judging, store_all};

use sha2::{Digest, Sha256};

use crate::bound::Written;
use crate::engine::info::KeyForm;
use crate::engine::remove::Name;
use crate::engine::{Core, current, forced};
use crate::key::{digest_of_json, to_json};
use crate::stats::Counters;
use crate::{CacheKey, CacheManager, Key};

/// `crate::module::function`.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_path {
    ($name:literal) => {
        $crate::__private::concat!($crate::__private::module_path!(), "::", $name)
    };
}
pub use crate::__cache_path as path;

/// Puts a function into the catalogue.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_register {
    ($site:ident) => {
        $crate::__private::inventory::submit! { $crate::__private::Registered(&$site) }
    };
}
pub use crate::__cache_register as register;

/// What is around the value in a return type that names no generic parameter.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_around {
    ($t:ty) => {
        $crate::__private::around(|| $crate::__cache_peeled!($t))
    };
}
pub use crate::__cache_around as around_value;

/// The shape of a return type, told by one step for each thing that may be around a value.
#[cfg(feature = "axum")]
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_peeled {
    ($t:ty) => {
        $crate::__cache_peeled!(of $crate::__private::Tag::<$crate::__private::Bare, $t>::of())
    };
    (of $tag:expr) => {
        $tag.result().json().option().json().shape()
    };
}
/// The shape of a return type, told by one step for each thing that may be around a value.
#[cfg(not(feature = "axum"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_peeled {
    ($t:ty) => {
        $crate::__cache_peeled!(of $crate::__private::Tag::<$crate::__private::Bare, $t>::of())
    };
    (of $tag:expr) => {
        $tag.result().option().shape()
    };
}

/// The same as a value. The steps are for the compiler alone: nothing of them is in the program.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_shape {
    ($t:ty) => {{
        let shape = $crate::__private::Shaped::TOLD;
        if false {
            shape.is($crate::__cache_peeled!($t));
        }
        shape
    }};
}
pub use crate::__cache_shape as shape;

/// An entry, with what is inside of the return type.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_seen {
    ($place:expr) => {{
        let place = $place;
        let shape = $crate::__cache_peeled!(of place.returned());
        place.here().seen(shape)
    }};
}
pub use crate::__cache_seen as seen;

/// How errors of a return type are shared.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_share {
    ($t:ty) => {{
        let how = $crate::__private::How::TOLD;
        if false {
            how.is($crate::__private::ByClone::<$t>::of().share());
        }
        how
    }};
}
pub use crate::__cache_share as share;

/// The way to take the digest of a value.
#[doc(hidden)]
#[macro_export]
macro_rules! __cache_way {
    ($value:expr) => {{
        // Which of them a type needs is for the compiler to find out.
        #[allow(unused_imports)]
        use $crate::__private::digest::*;
        (&&&&Of($value)).way()
    }};
}
pub use crate::__cache_way as way;

/// The ways to take a digest, the better first: the call on more references prefers it.
pub mod digest {
    use crate::CacheKey;

    /// A value whose digest is wanted.
    #[derive(Debug)]
    pub struct Of<'a, T: ?Sized>(pub &'a T);

    /// Of a text's own bytes.
    #[derive(Debug)]
    pub struct Text;

    /// Of the canonical JSON.
    #[derive(Debug)]
    pub struct Json;

    /// Of what the value would write into the key.
    #[derive(Debug)]
    pub struct Part;

    macro_rules! ways {
        ($($step:ident [$($bound:path)?] ($($reference:tt)*) => $way:ty = $value:expr;)*) => {$(
            /// A choice.
            pub trait $step {
                /// The way.
                fn way(&self) -> $way {
                    $value
                }
            }

            impl<T: $($bound +)? ?Sized> $step for $($reference)* {}
        )*};
    }
    ways! {
        ByText [AsRef<str>] (&&&Of<'_, T>) => Text = Text;
        ByJson [serde::Serialize] (&&Of<'_, T>) => Json = Json;
        ByPart [CacheKey] (&Of<'_, T>) => Part = Part;
        ByNothing [] (Of<'_, T>) => () = ();
    }
}

/// Looks a call up by the bytes of its arguments, and by the text of its key, both of which `render` writes.
#[inline]
pub fn lookup<S: Shape, H: Share<S::Ret>>(
    site: &'static Site,
    _: Shaped<S>,
    _: How<H>,
    manager: Option<&CacheManager>,
    mode: Mode,
    render: &dyn Render,
) -> Result<S::Ret, Miss<S::Ret>>
where
    S::Stored: Written,
{
    crate::engine::call::lookup::<S, BySerde<S::Stored>, H>(site, manager, mode, render)
}

/// The same for values that stay in this process.
#[inline]
pub fn lookup_in_memory<S: Shape, H: Share<S::Ret>>(
    site: &'static Site,
    _: Shaped<S>,
    _: How<H>,
    manager: Option<&CacheManager>,
    mode: Mode,
    render: &dyn Render,
) -> Result<S::Ret, Miss<S::Ret>> {
    crate::engine::call::lookup::<S, NotCoded, H>(site, manager, mode, render)
}

/// A call with many elements in this manager or the current one.
pub fn each<S: Shape, H: Share<S::Ret>>(
    site: &'static Site,
    _: Shaped<S>,
    _: How<H>,
    manager: Option<&CacheManager>,
    mode: Mode,
) -> Each<S, BySerde<S::Stored>, H>
where
    S::Stored: Written,
{
    Each::new(site, manager, mode)
}

/// The same for values that stay in this process.
pub fn each_in_memory<S: Shape, H: Share<S::Ret>>(
    site: &'static Site,
    _: Shaped<S>,
    _: How<H>,
    manager: Option<&CacheManager>,
    mode: Mode,
) -> Each<S, NotCoded, H> {
    Each::new(site, manager, mode)
}

/// A value of any type, for the compiler alone: it is never called.
pub fn never<T>() -> T {
    loop {
        std::hint::spin_loop();
    }
}

/// The type that a function returns.
pub fn returned<S: View>(_: Shaped<S>) -> PhantomData<S::Ret> {
    PhantomData
}

/// The type of the value in it.
pub fn value<S: View>(_: Shaped<S>) -> PhantomData<S::Value> {
    PhantomData
}

/// The type of the value in it, with the pointer around it that is handed out.
pub fn held_in<S: View>(_: Shaped<S>) -> PhantomData<S::Held> {
    PhantomData
}

/// Writes the namespace of a method that has no key of its own.
///
/// All instances of a generic type share one static, so the type is among the bytes of the arguments too.
#[inline]
pub fn method_namespace<T: ?Sized>(out: &mut KeyWriter, module: &str, name: &str) {
    let of = type_name::<T>();
    out.digest(of.as_bytes(), |_| namespace_of_method(module, of, name));
}

/// The longest namespace of a method, in bytes. A key that is too long keeps this much of its text, and what ends it.
const LONGEST_NAMESPACE: usize = 400;

/// `crate.module.Type.method`. A type of another module is in brackets behind the module of the method, since other
/// modules may have methods of the same name for it. Of one that is too long a digest stands for the end.
fn namespace_of_method(module: &str, of: &str, name: &str) -> String {
    let is_of_module = of.strip_prefix(module).is_some_and(|rest| rest.starts_with("::"));
    let path = if is_of_module {
        format!("{of}::{name}")
    } else {
        format!("{module}::<{of}>::{name}")
    };
    let mut namespace = String::with_capacity(path.len());
    for c in path.replace("::", ".").chars() {
        if c.is_alphanumeric() || matches!(c, '_' | '.') {
            namespace.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a text does not fail.
                let _ = write!(namespace, "%{byte:02X}");
            }
        }
    }
    if namespace.len() > LONGEST_NAMESPACE {
        let mut digest = hex::encode(Sha256::digest(&namespace));
        digest.truncate(32);
        // Neither a character nor an escape is cut in two.
        let ends = |at: &usize| {
            namespace.is_char_boundary(*at)
                && !namespace
                    .as_bytes()
                    .iter()
                    .take(*at)
                    .rev()
                    .take(2)
                    .any(|b| *b == b'%')
        };
        let kept = (0..LONGEST_NAMESPACE - digest.len()).rev().find(ends);
        namespace.truncate(kept.unwrap_or_default());
        namespace.push('~');
        namespace.push_str(&digest);
    }
    namespace
}

/// Writes the digest of all the arguments of a function.
pub fn query_hash(out: &mut KeyWriter, path: &str, arguments: &[(&str, &dyn Canonical)]) {
    match to_json(arguments) {
        Some(json) => out.digest(&json, |json| digest_of_json(path, json)),
        None => out.fail(),
    }
}

/// Writes the digest of the type and all the arguments of a method.
pub fn method_query_hash<T: ?Sized>(out: &mut KeyWriter, path: &str, arguments: &[(&str, &dyn Canonical)]) {
    match to_json(arguments) {
        Some(json) => {
            // All instances of a generic type share one static, so the type is part of what stands for the arguments.
            let mut bytes = type_name::<T>().as_bytes().to_vec();
            bytes.push(0);
            bytes.extend_from_slice(&json);
            out.digest(&bytes, |bytes| digest_of_json(path, bytes));
        }
        None => out.fail(),
    }
}

/// Counts a search.
pub fn popular(site: &'static Site, manager: Option<&CacheManager>, text: &str) {
    if !forced::is_bypassed(site) {
        core_of(manager, |core| core.record_search(text));
    }
}

/// Calls a function in a mode that its caller has chosen.
pub async fn call<F: Future>(function: Target, mode: Mode, call: F) -> F::Output {
    forced::call(Some(function.site), mode, call).await
}

fn core_of<R>(manager: Option<&CacheManager>, see: impl Fn(&Arc<Core>) -> R) -> R {
    current::with(manager.map(|manager| &manager.core), |core, _| see(core))
}

/// One member of a group, by what writes it.
pub struct Member<F>(pub F);

impl<F> std::fmt::Debug for Member<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Member")
    }
}

#[diagnostic::do_not_recommend]
impl<F: Fn(&mut KeyWriter)> CacheKey for Member<F> {
    #[inline]
    fn write_key(&self, out: &mut KeyWriter) {
        (self.0)(out);
    }
}

/// A key from a template.
pub fn key_of(render: impl FnOnce(&mut KeyWriter)) -> Key {
    Key::render(render)
}

/// An entry in the manager that is the current one now, and not in that of the moment when it is used.
pub fn here<V>(entry: crate::handle::Entry<V>) -> crate::handle::Entry<V> {
    entry.here()
}

/// Invalidates one key. Which manager is the current one is asked when it is polled.
pub fn invalidate_key(manager: Option<&CacheManager>, key: Key) -> impl Future<Output = bool> + use<> {
    let manager = manager.cloned();
    async move {
        let core = core_of(manager.as_ref(), Arc::clone);
        core.invalidate(Name::Key(key.as_str().to_owned()), &mut core.budget())
            .await
            > 0
    }
}

/// Invalidates all of a function. Which manager is the current one is asked when it is polled.
pub fn invalidate_target(manager: Option<&CacheManager>, target: Target) -> impl Future<Output = ()> + use<> {
    let manager = manager.cloned();
    async move {
        let core = core_of(manager.as_ref(), Arc::clone);
        let mut budget = core.budget();
        for name in target.names() {
            core.invalidate(name, &mut budget).await;
        }
    }
}

/// A cached function, as its handle and those who invalidate it name it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What its attribute says.
    pub site: &'static Site,
    /// The type that it is a method of.
    of: &'static str,
}

impl Target {
    /// A function.
    #[inline]
    pub const fn function(site: &'static Site) -> Self {
        Self { site, of: "" }
    }

    /// A function of a type.
    #[inline]
    pub fn method<T: ?Sized>(site: &'static Site) -> Self {
        Self {
            site,
            of: type_name::<T>(),
        }
    }

    fn namespace(self) -> String {
        let (path, template) = (self.site.path, self.site.template);
        match self.site.key {
            KeyForm::Template | KeyForm::None => template.split(':').next().unwrap_or_default().to_owned(),
            KeyForm::Path => path.replace("::", "."),
            KeyForm::Method => {
                let (module, name) = path.rsplit_once("::").unwrap_or(("", path));
                namespace_of_method(module, self.of, name)
            }
        }
    }

    fn names(self) -> Vec<Name> {
        let (path, template) = (self.site.path, self.site.template);
        let namespace = self.namespace();
        if template.contains('{') {
            return Name::function(path, template, &namespace).into();
        }
        // There is one entry.
        let key = match self.site.key {
            KeyForm::Template | KeyForm::None => template.to_owned(),
            KeyForm::Path | KeyForm::Method => namespace + template,
        };
        vec![Name::Key(key)]
    }
}

/// What a function invalidates after it has succeeded.
#[derive(Debug)]
pub struct Targets {
    manager: CacheManager,
    counters: Arc<Counters>,
    /// With whether a name is a target of its own; some targets have two names.
    names: Vec<(Name, bool)>,
}

impl Targets {
    /// Nothing yet, of this function, in this manager or the current one.
    pub fn of(site: &'static Site, manager: Option<&CacheManager>) -> Self {
        let manager = manager.map_or_else(CacheManager::current, Clone::clone);
        let counters = Arc::clone(manager.core.stats.of(site.id(), site.path));
        Self {
            manager,
            counters,
            names: Vec::new(),
        }
    }

    /// One entry of a function.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the expansion has no other use for it"
    )]
    pub fn key(&mut self, key: Key) {
        self.names.push((Name::Key(key.as_str().to_owned()), true));
    }

    /// All entries of a function.
    pub fn all(&mut self, target: Target) {
        let names = target.names().into_iter().enumerate();
        self.names.extend(names.map(|(index, name)| (name, index == 0)));
    }

    /// Keys that match a pattern. Values in it match themselves alone.
    pub fn pattern(&mut self, render: impl FnOnce(&mut KeyWriter)) {
        self.names.push((Name::matching(Key::pattern(render)), true));
    }

    /// One key by its text.
    pub fn raw_key(&mut self, render: impl FnOnce(&mut KeyWriter)) {
        self.key(Key::render(render));
    }

    /// A tag.
    pub fn tag(&mut self, render: impl FnOnce(&mut KeyWriter)) {
        self.names.push((Name::tag(&Key::pattern(render)), true));
    }
}

impl Targets {
    /// Nothing yet, of no function.
    pub fn here(manager: Option<&CacheManager>) -> Self {
        let manager = manager.map_or_else(CacheManager::current, Clone::clone);
        let counters = Arc::clone(&manager.core.stats.direct);
        Self {
            manager,
            counters,
            names: Vec::new(),
        }
    }

    /// Invalidates.
    pub async fn drop_all(self) {
        self.settle(false).await;
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
    targets.settle(matches!(S::see(ret), Seen::Failed)).await;
}

impl Targets {
    async fn settle(mut self, failed: bool) {
        if failed {
            self.names.clear();
        }
        let core = Arc::clone(&self.manager.core);
        // A name leaves the list when it is done with, so that nothing is lost when the caller is dropped meanwhile.
        // All of them together have one budget; what it does not suffice for follows in the background.
        let mut budget = core.budget();
        while let Some((name, counts)) = self.names.last().cloned() {
            core.invalidate(name, &mut budget).await;
            self.names.pop();
            self.counters.invalidations.fetch_add(u64::from(counts), Relaxed);
        }
    }
}

/// The function was dropped before it had ended, or panicked: what it has written by then is not known, so it is taken
/// to have written all.
impl Drop for Targets {
    fn drop(&mut self) {
        let core = &self.manager.core;
        for (name, counts) in std::mem::take(&mut self.names) {
            self.counters.invalidations.fetch_add(u64::from(counts), Relaxed);
            core.forget(&name);
            if core.remote.is_some() {
                core.invalidate_later(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::namespace_of_method;

    #[test]
    fn the_namespace_of_a_method_has_its_type_and_its_module() {
        let cases = [
            (("app::users", "app::users::User", "get"), "app.users.User.get"),
            (("app", "app::users::User", "get"), "app.users.User.get"),
            (
                ("app::api", "app::users::User", "get"),
                "app.api.%3Capp.users.User%3E.get",
            ),
            // A module whose name begins like that of another is not the same.
            (
                ("app::user", "app::users::User", "get"),
                "app.user.%3Capp.users.User%3E.get",
            ),
            (
                ("app", "app::Page<u8, [char; 2]>", "get"),
                "app.Page%3Cu8%2C%20%5Bchar%3B%202%5D%3E.get",
            ),
            (("app", "*const u8", "größe"), "app.%3C%2Aconst%20u8%3E.größe"),
        ];
        for ((module, of, name), namespace) in cases {
            assert_eq!(namespace_of_method(module, of, name), namespace);
        }
    }

    #[test]
    fn a_long_namespace_of_a_method_is_cut_and_still_its_own() {
        for of in ["app::Page<app::Page<", "app::größe::größe::"].map(|of| of.repeat(40)) {
            let (get, put) = (
                namespace_of_method("app", &of, "get"),
                namespace_of_method("app", &of, "put"),
            );
            assert!(get.len() <= 400 && get.len() > 390, "{get}");
            assert_ne!(get, put);
            let (text, digest) = get.split_once('~').expect("a digest");
            assert_eq!(digest.len(), 32);
            assert!(text.split('%').skip(1).all(|escape| escape.len() >= 2), "{text}");
        }
    }
}
