//! What an attribute says about its function, once and for all: a row of the catalogue. Nothing of it depends on the
//! arguments of a call. Invariant: it is made by the attributes alone, in constant expressions.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::Tier;

/// An annotated function: a row of the [catalogue](crate::catalogue), and `INFO` of a cached function.
///
/// ```
/// # #[cfg(feature = "macros")] {
/// use cache_core::cache_result;
/// use std::time::Duration;
///
/// #[cache_result(key = "analytics:{metric}", ttl = "30m", tags = ["city:{city}"], skip(city))]
/// async fn average(metric: &str, city: &str) -> Option<f64> {
///     # let _ = (metric, city);
///     None
/// }
///
/// assert_eq!(average::INFO.template(), "analytics:{metric}");
/// assert_eq!(average::INFO.ttl(), Some(Duration::from_secs(1800)));
/// assert_eq!(average::INFO.tags(), ["city:{city}"]);
/// assert_eq!(average::INFO.value(), "f64");
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct FunctionInfo {
    pub(crate) tier: Tier,
    /// Longer lists than `MAX_SEARCH_RESULTS` are not stored.
    pub(crate) bounded: bool,
    is_method: bool,
    /// Whether the last part of the key is a digest of all arguments and of the function's path.
    digests: bool,
    pub(crate) key: KeyForm,
    ttl_form: TtlForm,
    pub(crate) version: u32,
    /// The part of the TTL, in millionths, past which a hit starts a refresh; 0 for never.
    pub(crate) refresh_ahead: u32,
    /// The part of the TTL, in millionths, that it is shortened by at random at most.
    pub(crate) jitter: u32,
    /// How long past its TTL an entry is served when the function fails; 0 for not at all. In milliseconds, as are the
    /// other durations.
    pub(crate) stale_if_error: u64,
    /// How long past its TTL an entry is served while it is refreshed; 0 for not at all.
    pub(crate) stale_while_revalidate: u64,
    pub(crate) ttl: Option<u64>,
    /// How long a `None` is kept; 0 for not at all.
    pub(crate) none_ttl: u64,
    /// How long a caller waits before it is served a stale value; 0 for as long as it takes.
    pub(crate) soft_timeout: u64,
    /// How long a caller waits at most; 0 for as long as it takes.
    pub(crate) hard_timeout: u64,
    /// `crate::module::function`.
    pub(crate) path: &'static str,
    /// The key's template as it was written, without the namespace where that is the function's path; shown with what went
    /// wrong.
    pub(crate) template: &'static str,
    location: &'static Location<'static>,
    value: &'static str,
    /// `id in ids`; empty for a function whose calls have one entry each.
    each: &'static str,
    tags: &'static [&'static str],
    targets: &'static [TargetInfo],
}

/// What the key of a function begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// There is no key: the function is no cached one.
    None,
    /// The template has it.
    Template,
    /// The path of the function, with a dot between its parts.
    Path,
    /// The same for a method, whose type is only known when it is called.
    Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TtlForm {
    Fixed,
    /// By an expression on the arguments, or a function of the value.
    Computed,
}

/// What an invalidator drops. Its `Display` is the target as it was written.
// rustc writes a type with its path where another public item has its name too, so none is called `Key` or `Method`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum TargetInfo {
    /// An entry of a cached function, or all of them.
    OfFunction {
        /// The target as it was written: `get_lead(lead_id)`.
        written: &'static str,
        /// The function whose entries are dropped.
        function: &'static FunctionInfo,
    },
    /// The same of a method. Its type is known to the compiler alone, so it is found by its name.
    OfMethod {
        /// The target as it was written: `self.get(id)`.
        written: &'static str,
        /// The name of the method: `get`.
        name: &'static str,
    },
    /// The template of a key: `lead:{lead_id}`.
    ByKey(&'static str),
    /// A pattern: `campaign:{lead_id}:*`.
    ByPattern(&'static str),
    /// The template of a tag: `city:{result.city}`.
    ByTag(&'static str),
}

impl TargetInfo {
    /// An entry of a cached function, or all of them. Made by the attributes: a path that stands in a function call is
    /// refused in fewer words than one that stands in a field.
    #[doc(hidden)]
    pub const fn of_function(written: &'static str, function: &'static FunctionInfo) -> Self {
        Self::OfFunction { written, function }
    }
}

impl fmt::Display for TargetInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfFunction { written, .. } | Self::OfMethod { written, .. } => f.write_str(written),
            Self::ByKey(text) | Self::ByPattern(text) => write!(f, "\"{text}\""),
            Self::ByTag(text) => write!(f, "tag \"{text}\""),
        }
    }
}

impl FunctionInfo {
    /// The path of the function, `crate::module::function`. The path of a method does not have its type.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The name of the function.
    pub fn name(&self) -> &'static str {
        self.path.rsplit("::").next().unwrap_or(self.path)
    }

    /// The file that the function is in, as the compiler was given it.
    pub fn file(&self) -> &'static str {
        self.location.file()
    }

    /// The line of the attribute, from 1.
    pub fn line(&self) -> u32 {
        self.location.line()
    }

    /// Whether the function is a cached one, and not one that only invalidates.
    pub fn is_cached(&self) -> bool {
        self.key != KeyForm::None
    }

    /// The template of the key, such as `lead:{lead_id}`; empty for an invalidator. `{key_fn}` stands for what that option
    /// computes, `{query_hash}` for the digest of all arguments, and `{type}` for the type of a method that has no key of
    /// its own.
    pub fn template(&self) -> String {
        let rest = self.template;
        match self.key {
            KeyForm::None => String::new(),
            KeyForm::Template => rest.to_owned(),
            KeyForm::Path => format!("{}{rest}", self.path.replace("::", ".")),
            KeyForm::Method => {
                let module = self.module().replace("::", ".");
                format!("{module}.{{type}}.{}{rest}", self.name())
            }
        }
    }

    /// How long an entry is fresh, where that is fixed by the attribute. Nothing where it is computed for each call or
    /// value, and where it is the namespace's TTL from the environment.
    pub fn ttl(&self) -> Option<Duration> {
        self.ttl
            .filter(|_| self.ttl_form == TtlForm::Fixed)
            .map(Duration::from_millis)
    }

    /// Whether the attribute computes the TTL, by an expression or with `ttl_from`.
    pub fn has_computed_ttl(&self) -> bool {
        self.ttl_form == TtlForm::Computed
    }

    /// How long a `None` is kept; nothing where it is not stored.
    pub fn none_ttl(&self) -> Option<Duration> {
        (self.none_ttl > 0).then(|| Duration::from_millis(self.none_ttl))
    }

    /// The templates of the tags.
    pub fn tags(&self) -> &'static [&'static str] {
        self.tags
    }

    /// How the elements are called that have an entry each, and which argument has them, as the attribute writes it: `id in
    /// ids`. Nothing for a function whose calls have one entry each.
    pub fn each(&self) -> Option<&'static str> {
        (!self.each.is_empty()).then_some(self.each)
    }

    /// The type of the value that is stored, as the signature writes it; empty for an invalidator.
    pub fn value(&self) -> &'static str {
        self.value
    }

    /// Where entries are held.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The version that the attribute gives to the function; 0 without one.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// How long past its TTL an entry may be served when the function fails.
    pub fn stale_if_error(&self) -> Option<Duration> {
        some(self.stale_if_error)
    }

    /// How long past its TTL an entry is served while it is refreshed.
    pub fn stale_while_revalidate(&self) -> Option<Duration> {
        some(self.stale_while_revalidate)
    }

    /// The part of the TTL, between 0 and 1, past which a hit starts a refresh.
    pub fn refresh_ahead(&self) -> Option<f64> {
        (self.refresh_ahead > 0).then(|| f64::from(self.refresh_ahead) / 1e6)
    }

    /// The part of the TTL, between 0 and 1, that it is shortened by at random at most.
    pub fn jitter(&self) -> Option<f64> {
        (self.jitter > 0).then(|| f64::from(self.jitter) / 1e6)
    }

    /// How long a caller waits before it is served a stale value.
    pub fn soft_timeout(&self) -> Option<Duration> {
        some(self.soft_timeout)
    }

    /// How long a caller waits at most.
    pub fn hard_timeout(&self) -> Option<Duration> {
        some(self.hard_timeout)
    }

    /// What the function invalidates; empty for a cached one.
    pub fn targets(&self) -> &'static [TargetInfo] {
        self.targets
    }

    /// The path of the module.
    pub(crate) fn module(&self) -> &'static str {
        self.path.rsplit_once("::").map_or("", |(module, _)| module)
    }

    pub(crate) fn key_form(&self) -> KeyForm {
        self.key
    }

    /// Whether it is a method with a receiver.
    pub(crate) fn is_method(&self) -> bool {
        self.is_method
    }

    /// Whether the last part of the key is a digest of all arguments and of the function's path.
    pub(crate) fn digests(&self) -> bool {
        self.digests
    }

    /// Where the attribute is: file, line and column.
    pub(crate) fn place(&self) -> (&'static str, u32, u32) {
        (self.file(), self.line(), self.location.column())
    }
}

/// Rows are equal when they are about the same function.
impl PartialEq for FunctionInfo {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.place() == other.place() && self.is_cached() == other.is_cached()
    }
}

impl Eq for FunctionInfo {}

fn some(millis: u64) -> Option<Duration> {
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// What the attributes write.
#[doc(hidden)]
impl FunctionInfo {
    #[track_caller]
    const fn of(path: &'static str, key: KeyForm, template: &'static str, value: &'static str) -> Self {
        Self {
            tier: Tier::Both,
            bounded: false,
            is_method: false,
            digests: false,
            key,
            ttl_form: TtlForm::Fixed,
            version: 0,
            refresh_ahead: 0,
            jitter: 0,
            stale_if_error: 0,
            stale_while_revalidate: 0,
            ttl: None,
            none_ttl: 0,
            soft_timeout: 0,
            hard_timeout: 0,
            path,
            template,
            location: Location::caller(),
            value,
            each: "",
            tags: &[],
            targets: &[],
        }
    }

    /// A cached function, with the template of its key and the type of its values.
    #[track_caller]
    pub const fn cached(path: &'static str, template: &'static str, value: &'static str) -> Self {
        Self::of(path, KeyForm::Template, template, value)
    }

    /// A cached function whose namespace is its path, with what follows that.
    #[track_caller]
    pub const fn by_path(path: &'static str, template: &'static str, value: &'static str) -> Self {
        Self::of(path, KeyForm::Path, template, value)
    }

    /// A function that invalidates.
    #[track_caller]
    pub const fn invalidator(path: &'static str, targets: &'static [TargetInfo]) -> Self {
        let mut info = Self::of(path, KeyForm::None, "", "");
        info.targets = targets;
        info
    }

    /// It has a receiver.
    pub const fn method(mut self) -> Self {
        self.is_method = true;
        if let KeyForm::Path = self.key {
            self.key = KeyForm::Method;
        }
        self
    }

    /// The last part of the key is a digest of all arguments and of the path.
    pub const fn by_digest(mut self) -> Self {
        self.digests = true;
        self
    }

    /// Elements of an argument have an entry each.
    pub const fn for_each(mut self, each: &'static str) -> Self {
        self.each = each;
        self
    }

    /// The templates of its tags.
    pub const fn tagged(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }

    /// How long entries are fresh is told for each call or value.
    pub const fn ttl_computed(mut self) -> Self {
        self.ttl_form = TtlForm::Computed;
        self
    }

    /// How long entries are fresh.
    pub const fn ttl_millis(mut self, ttl: u64) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long a `None` is kept.
    pub const fn none_ttl_millis(mut self, ttl: u64) -> Self {
        self.none_ttl = ttl;
        self
    }

    /// The version of the function.
    pub const fn versioned(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Entries stay in this process.
    pub const fn memory_only(mut self) -> Self {
        self.tier = Tier::Memory;
        self
    }

    /// Entries are not held in memory where there is Redis.
    pub const fn redis_only(mut self) -> Self {
        self.tier = Tier::Redis;
        self
    }

    /// Longer lists than `MAX_SEARCH_RESULTS` are not stored.
    pub const fn max_items_from_env(mut self) -> Self {
        self.bounded = true;
        self
    }

    /// How long past its TTL an entry is served when the function fails.
    pub const fn stale_if_error_millis(mut self, duration: u64) -> Self {
        self.stale_if_error = duration;
        self
    }

    /// How long past its TTL an entry is served while it is refreshed.
    pub const fn stale_while_revalidate_millis(mut self, duration: u64) -> Self {
        self.stale_while_revalidate = duration;
        self
    }

    /// The part of the TTL past which a hit starts a refresh.
    pub const fn refresh_ahead_millionths(mut self, part: u32) -> Self {
        self.refresh_ahead = part;
        self
    }

    /// The part of the TTL that it is shortened by at random at most.
    pub const fn jitter_millionths(mut self, part: u32) -> Self {
        self.jitter = part;
        self
    }

    /// How long a caller waits before it is served a stale value.
    pub const fn soft_timeout_millis(mut self, duration: u64) -> Self {
        self.soft_timeout = duration;
        self
    }

    /// How long a caller waits at most.
    pub const fn hard_timeout_millis(mut self, duration: u64) -> Self {
        self.hard_timeout = duration;
        self
    }
}
