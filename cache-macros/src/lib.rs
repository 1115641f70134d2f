//! The attributes and the derive of `cache-core`, which re-exports them; depend on that crate.
//!
//! An attribute is parsed, checked and expanded in this order, and only the checks refuse. What is refused is
//! told in the words of the user at the token at fault, all mistakes of one attribute at once.
//!
//! All of this is the feature `full`, which `macros` of `cache-core` turns on. Without it the attributes are there and leave
//! the bare function, unchecked; there are no handles, and no `key!`, `entry!` and `invalidate!`, and the derive does nothing.

#[cfg(feature = "full")]
mod attr;
#[cfg(feature = "full")]
mod check;
#[cfg(feature = "full")]
mod crate_path;
#[cfg(feature = "full")]
mod duration;
#[cfg(feature = "full")]
mod entry;
#[cfg(feature = "full")]
mod errors;
#[cfg(feature = "full")]
mod expand;
#[cfg(feature = "full")]
mod impl_block;
#[cfg(feature = "full")]
mod locals;
#[cfg(feature = "full")]
mod model;
#[cfg(all(test, feature = "full"))]
mod properties;
#[cfg(feature = "full")]
mod signature;
#[cfg(all(test, feature = "full"))]
#[expect(clippy::panic, reason = "a test fails by a panic")]
mod snapshots;
#[cfg(feature = "full")]
mod span;
#[cfg(feature = "full")]
mod suggest;
#[cfg(feature = "full")]
mod surroundings;
#[cfg(feature = "full")]
mod template;
#[cfg(feature = "full")]
mod words;

use proc_macro::TokenStream;

#[cfg(feature = "full")]
use crate::attr::CachedAttribute;

/// What an attribute makes of an item; without the feature `full`, the item itself.
macro_rules! expanded {
    ($options:ident, $item:ident, $expansion:expr) => {{
        #[cfg(feature = "full")]
        let expanded = $expansion;
        #[cfg(not(feature = "full"))]
        let expanded = {
            drop($options);
            $item
        };
        expanded
    }};
}

/// Caches the result of an `async fn`.
///
/// ```ignore
/// #[cache_result(key = "analytics:{metric}:{range.from}:{range.to}", ttl = "30m")]
/// async fn calculate_metric(metric: &str, range: DateRange) -> Result<f64, DbError> { .. }
/// ```
///
/// It goes on free functions, methods with `self`, generic functions and axum handlers, and with [`macro@cache_impl`] on
/// their block on methods of traits and associated functions. The function keeps its signature, visibility and other attributes. Only `Ok` is stored of a `Result`; `None` is not, unless
/// `none_ttl` is given. Values are seen through `Result`, `Option`, `Json` and `Arc`.
///
/// # Keys
///
/// A template is literal text and placeholders: `{arg}`, `{arg.field.0}`, `{self.tenant}`, `{arg:hash}` (the
/// first 32 hex digits of a SHA-256), `{arg:lower}`. The text up to the first `:` is the namespace. `{type}` means
/// the argument `r#type`. What a pattern binds is an argument, so that `Path(id): Path<u64>` gives `{id}`.
///
/// Every argument is part of the key or is named in `skip`, `self` too. One field in the key covers its
/// argument. A parameter `State(..): State<..>` is skipped by itself, and `_: T` needs no cover.
///
/// So is every type and constant that the function is generic over, unless an argument mentions it: `{N}` is the value of
/// a constant, `{T}` the name of a type, and `skip(T)` says that it does not matter. Those of an `impl` block go with `self`.
///
/// # Options
///
/// | option | value | meaning |
/// |---|---|---|
/// | `key` | template | the key of an entry |
/// | `key_type` | string | the namespace when there is no `key`: `{key_type}:{arg}:{arg}`; without either it is the path of the function, `crate.module.function`, and of a method `crate.module.Type.method` |
/// | `key_fn` | closure or path | computes what follows `{key_type}:`, from references to the arguments that are not skipped, `self` included |
/// | `skip(a, b)` | names | not part of the key |
/// | `each` | `id in ids` | each element of the argument `ids` has an entry of its own, see below |
/// | `ttl` | seconds, `"90s"` `"30m"` `"2h5m"` `"1d"` `"500ms"`, or an expression of type `Duration` | how long an entry is fresh; else the namespace's TTL from the environment |
/// | `stale_if_error` | seconds or text as for `ttl` | how long past its TTL an entry is served when the function fails; a `None` in between ends that |
/// | `stale_while_revalidate` | seconds or text | how long past its TTL an entry is served at once, while one load in the background refreshes it |
/// | `refresh_ahead` | part of the TTL, `0.8` | a hit past this part starts one load in the background; for entries that memory holds |
/// | `soft_timeout` | seconds or text | when a load takes longer, a stale value is served if there is one; needs `stale_if_error` or `stale_while_revalidate` |
/// | `hard_timeout` | seconds or text | how long a caller waits at most; then it gets an error made from `SharedError` |
/// | `jitter` | part of the TTL, `0.1` | each entry's TTL is shortened at random by up to this part |
/// | `none_ttl` | seconds or text | stores `None` too, for this long |
/// | `cache_if` | closure or path on `&value` | stores only what it accepts |
/// | `ttl_from` | closure or path on `&value`, to `Duration` | how long this value is fresh, in place of `ttl` |
/// | `tags` | list of templates | names by which [`macro@invalidate_cache`] drops the entry; they are no part of the key |
/// | `bypass` | bool expression on the arguments | neither reads nor writes the cache |
/// | `refresh` | bool expression on the arguments | loads and stores, without a look-up |
/// | `tier` | `memory`, `redis`, `both` | where entries are kept; with `memory` the value needs no serde |
/// | `manager` | expression on the arguments | the `CacheManager` to use, or a reference to one |
/// | `version` | integer | a bump makes all earlier entries misses |
/// | `handle` | name | what the handle is called, where a module of the function's name is in the way; targets use it too |
/// | `crate` | path as a string | where `cache_core` is, when it cannot be found |
///
/// A first string without a name is the `key_type`, and a closure without one is the `key_fn`:
///
/// ```ignore
/// #[cache_result("analytics", |metric| metric.to_owned(), ttl = 1800)]
/// async fn metric(metric: &str) -> Result<f64, DbError> { .. }
/// ```
///
/// # Many at once
///
/// With `each = id in ids` each element of the argument `ids`, a `Vec` or a slice, has an entry of its own; `{id}` is the element
/// in the key and the tags. The body is called with those that are missing, once each and in the order asked, and returns a
/// `HashMap` from element to value, or a `Result` of one.
///
/// ```ignore
/// #[cache_result(key = "user:{tenant}:{id}", skip(db), each = id in ids)]
/// async fn load_users(db: &Db, tenant: u64, ids: Vec<Uuid>) -> Result<HashMap<Uuid, User>, DbError> { .. }
/// ```
///
/// An element that the body does not return is not in the result either, and asked for again, unless `none_ttl` says for how long
/// it is known not to be there. What the body returns beyond what it was asked for is left out. When it fails, the call fails,
/// whatever was found for other elements; with `stale_if_error` older values are served if all that failed have one.
///
/// `cache_if`, `ttl_from`, `ttl` and `tags` are about one element, `bypass`, `refresh` and `manager` about a call. The body may run
/// again in one call, for elements that another call was loading and gave up, so the other arguments are `Clone`, as references
/// are. Options under which it would run without its caller, and `hard_timeout`, do not go with `each`.
///
/// The functions of the handle take one element, but for `refresh` and `uncached`, which take what the function takes. A target is
/// one element too: `load_users(tenant, id)`. Behind an alias that hides the map there is no `peek` and no `put`.
///
/// # In the background
///
/// With `stale_while_revalidate`, `refresh_ahead` or `soft_timeout` the function goes on after its caller has its value.
/// So it takes owned arguments and is `Send`: `String` for `&str`, `Arc<Db>` for `&Db`, `self: Arc<Self>` for `&self`.
///
/// ```ignore
/// #[cache_result(key = "score:{city}", skip(db), stale_while_revalidate = "5m", tags = ["city:{city}"])]
/// async fn score(db: Arc<Db>, city: String) -> Result<u64, DbError> { .. }
/// ```
///
/// # The handle
///
/// A cached function has a handle of the same path, and of the same visibility:
///
/// | | |
/// |---|---|
/// | `calculate_metric::key(..)` | the key of an entry |
/// | `peek(..).await` | the stored value, while it is fresh; the function does not run |
/// | `put(.., value).await` | stores a value as if the function had returned it: with its TTL, tags, version and tier |
/// | `invalidate(..).await`, `invalidate_all().await` | drops one entry, or all; the first tells whether it was there |
/// | `refresh(..).await` | runs the function and stores what it gives, whatever is there |
/// | `uncached(..).await` | the bare function |
///
/// The first five take the keyed arguments in order, by reference: `&T` as it is, `String` as `&str`, another `T` as `&T`,
/// in handlers `Path(x): Path<T>` as `&T` and what is bound in other patterns as `&impl CacheKey`. `refresh` and `uncached`
/// take what the function takes.
///
/// `peek` gives, and `put` takes, what the function returns, seen through `Result`, `Option` and `Json`, with an `Arc` that is
/// around the value: for `Result<Option<Arc<Lead>>, DbError>` that is `Arc<Lead>`. What is around the value is told by its type, whatever alias hides it; only in a generic function, where the type takes a
/// parameter, by the names `Result`, `Option`, `Json` and `Arc`, and what these do not show has no `peek` and no `put`.
///
/// What a handle cannot know it does not do. A `manager` that takes an argument leaves `peek`, `put`, `invalidate` and
/// `invalidate_all` out; `tags` that take an argument outside of the key, and a `ttl` or `ttl_from` that takes any, leave
/// `put` out. An error that borrows for a time without a name leaves `peek` and `put` out.
///
/// A method has no handle: its entries are named by [`macro@entry`] and [`macro@invalidate_cache`], and
/// `cache_core::refresh(repo.get(id))` and `cache_core::uncached(repo.get(id))` call it.
///
/// `calculate_metric::INFO` is the function's row in the catalogue, where every annotated function is.
#[proc_macro_attribute]
pub fn cache_result(options: TokenStream, item: TokenStream) -> TokenStream {
    expanded!(
        options,
        item,
        entry::cached(CachedAttribute::Result, options.into(), &item.into()).into()
    )
}

/// Caches a search, under a hash of its arguments.
///
/// ```ignore
/// #[cache_search_results(skip(db), popular = text)]
/// async fn search_leads(db: &Db, text: &str, filters: &Filters) -> Result<Vec<Lead>, DbError> { .. }
/// ```
///
/// The key is `search:{query_hash}`, a SHA-256 over the function's path, the type if it is a method, and the canonical
/// JSON of all arguments that are not skipped, so these must be `Serialize`. The TTL is `SEARCH_CACHE_TTL` unless `ttl` is given.
/// Results of more than `MAX_SEARCH_RESULTS` elements are returned whole and not stored.
///
/// # Options
///
/// Those of [`macro@cache_result`], and
///
/// | option | value | meaning |
/// |---|---|---|
/// | `popular` | argument | counts this text among the popular searches |
///
/// With `key` or `key_fn` the key is as for `#[cache_result]`; `key_type` replaces `search`.
#[proc_macro_attribute]
pub fn cache_search_results(options: TokenStream, item: TokenStream) -> TokenStream {
    expanded!(
        options,
        item,
        entry::cached(CachedAttribute::SearchResults, options.into(), &item.into()).into()
    )
}

/// Caches what is known of one lead, under `lead:{lead_id}`.
///
/// ```ignore
/// #[cache_lead_data(skip(db))]
/// async fn get_lead(db: &Db, lead_id: u64) -> Result<Option<Lead>, DbError> { .. }
/// ```
///
/// Arguments other than the id must be skipped. The TTL is `LEAD_CACHE_TTL` unless `ttl` is given.
///
/// # Options
///
/// `skip`, `ttl`, `stale_if_error`, `stale_while_revalidate`, `refresh_ahead`, `soft_timeout`, `hard_timeout`, `jitter`,
/// `none_ttl`, `cache_if`, `ttl_from`, `tags`, `bypass`, `refresh`, `tier`, `manager`, `version`, `handle` and `crate` as for
/// [`macro@cache_result`], and
///
/// | option | value | meaning |
/// |---|---|---|
/// | `id` | argument | the lead's id, when it is not named `lead_id` |
#[proc_macro_attribute]
pub fn cache_lead_data(options: TokenStream, item: TokenStream) -> TokenStream {
    expanded!(
        options,
        item,
        entry::cached(CachedAttribute::LeadData, options.into(), &item.into()).into()
    )
}

/// Caches the whole response of an axum handler: status, headers and body.
///
/// ```ignore
/// #[cache_response(key = "lead:{id}:page", ttl = "30s", stale_if_error = "10m")]
/// async fn lead(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<Lead>, ApiError> { .. }
/// ```
///
/// A hit serialises nothing: its body is the stored bytes. Extractors run on hits too. The handler may return whatever is
/// `IntoResponse`, `impl IntoResponse` and a `Result` included; it comes to return `Response`, and its arguments stay as
/// they are, so that `#[axum::debug_handler]` above the attribute works. `ETag`, `Age`, `Cache-Control` and `Cache-Status`
/// are set here; what needs the request is done by `cache_core::axum::layer`. The documentation of `cache_core::axum`
/// says which responses are stored.
///
/// Keys are those of [`macro@cache_result`], and so is what counts as an argument: what patterns bind. `State` is
/// skipped by itself. Every other extractor is in the key or in `skip`, so that an identity cannot be forgotten.
///
/// # Options
///
/// Those of [`macro@cache_result`] but for `none_ttl`, and
///
/// | option | value | meaning |
/// |---|---|---|
/// | `max_response_bytes` | an expression of type `usize` | a longer body passes through and is not stored; 2 MiB unless said otherwise |
///
/// `cache_if` and `ttl_from` get a `&cache_core::axum::CachedResponse`. A response with status 500 or above is a failure:
/// `stale_if_error` serves an older one in its place. After `hard_timeout` the client gets 504.
#[proc_macro_attribute]
pub fn cache_response(options: TokenStream, item: TokenStream) -> TokenStream {
    expanded!(
        options,
        item,
        entry::cached(CachedAttribute::Response, options.into(), &item.into()).into()
    )
}

/// Drops entries once an `async fn` has succeeded.
///
/// ```ignore
/// #[invalidate_cache(get_lead(lead_id), search_leads(..), "campaign:{lead_id}:*", tags = ["city:{result.city}"])]
/// async fn update_lead(db: &Db, lead_id: u64, patch: Patch) -> Result<Lead, DbError> { .. }
/// ```
///
/// A function that returns `Err` drops nothing.
///
/// # Targets
///
/// | target | drops |
/// |---|---|
/// | `get_lead(lead_id)` | one entry of a cached function; the arguments are those in its key |
/// | `search_leads(..)` | all entries of a cached function |
/// | `Self::get(id)`, `self.get(id)` | one entry of a cached method; the second form where its key uses `self` |
/// | `Self::get(..)`, `self.get(..)` | all entries of a cached method |
/// | `"lead:{lead_id}"` | a key |
/// | `"campaign:{id}:*"` | what a pattern matches, with the meaning that Redis gives to `* ? [a-c] [^a] \` |
///
/// Placeholders are those of keys. `result`, in a placeholder or an argument, is the value that the function
/// returned, seen through `Ok`, `Some`, `Json` and `Arc`; where it is `None`, that target is left out. Naming a
/// function that is not cached, or passing other arguments than its key has, does not compile.
///
/// # Options
///
/// | option | value | meaning |
/// |---|---|---|
/// | `tags` | list of templates | drops the entries with these tags |
/// | `manager` | expression on the arguments | the `CacheManager` to use, or a reference to one |
/// | `crate` | path as a string | where `cache_core` is, when it cannot be found |
#[proc_macro_attribute]
pub fn invalidate_cache(options: TokenStream, item: TokenStream) -> TokenStream {
    expanded!(
        options,
        item,
        entry::invalidator(options.into(), &item.into()).into()
    )
}

/// Lets all functions of an `impl` block be cached, and be named as targets.
///
/// ```ignore
/// #[cache_impl]
/// impl Store for Postgres {
///     #[cache_result(key = "user:{id}", skip(self))]
///     async fn load(&self, id: u64) -> Result<User, DbError> { .. }
/// }
///
/// #[cache_impl]
/// impl Repo {
///     #[cache_result(key = "repo:{name}")]
///     async fn find(name: &str) -> Option<Repo> { .. }
///
///     #[invalidate_cache(Self::find(name), Postgres::load(id))]
///     async fn rename(&self, name: &str, id: u64) -> Result<(), DbError> { .. }
/// }
/// ```
///
/// Methods of a trait and associated functions without `self` need it. Methods with `self` in a block without a trait do
/// not, but may stand in such a block. A method of a trait is named by the type: `Postgres::load(id)`. It works above
/// and below `#[async_trait]`. The type must be one of this crate.
#[proc_macro_attribute]
pub fn cache_impl(options: TokenStream, item: TokenStream) -> TokenStream {
    expanded!(
        options,
        item,
        entry::implementation(&options.into(), &item.into()).into()
    )
}

/// Drops entries, in the middle of a body.
///
/// ```ignore
/// let lead = db.update(id).await?;
/// invalidate!(get_lead(id), search_leads(..), "campaign:{id}:*", tags = ["city:{lead.city}"]).await;
/// ```
///
/// It takes the targets and the options of [`macro@invalidate_cache`], with local variables as placeholders and `self`
/// inside of methods. It has a row of its own in the catalogue. What is to be dropped is told when it is made; it is dropped when it is awaited, and when it is
/// given up before.
#[cfg(feature = "full")]
#[proc_macro]
pub fn invalidate(targets: TokenStream) -> TokenStream {
    entry::invalidate(targets.into()).into()
}

/// Makes a `Key` of a template and local variables, with the checks and the escaping of an attribute's `key`.
///
/// ```ignore
/// let key = key!("lead:{id}:{filter.city}");
/// cache.set(&key, &lead).await?;
/// ```
#[cfg(feature = "full")]
#[proc_macro]
pub fn key(template: TokenStream) -> TokenStream {
    entry::key(template.into()).into()
}

/// Names one entry of a cached function or method, by its keyed arguments: `key`, `peek`, `put` and `invalidate` are
/// methods of what it gives.
///
/// ```ignore
/// let known: Option<Lead> = entry!(repo.get(id)).peek().await;
/// entry!(Repo::find(name)).put(lead).await;
/// ```
///
/// `repo.get(id)` is for methods whose key uses `self`, `Repo::find(name)` for all others. A method whose `tags`, `ttl`,
/// `ttl_from` or `manager` take an argument that is not in the key has no such entries: what is stored without that
/// argument would not be what the method stores.
#[cfg(feature = "full")]
#[proc_macro]
pub fn entry(call: TokenStream) -> TokenStream {
    entry::cache_entry(&call.into()).into()
}

/// Makes a type a part of keys.
///
/// ```ignore
/// #[derive(CacheKey)]
/// struct LeadId(u64);
///
/// #[derive(CacheKey)]
/// enum Period {
///     AllTime,
///     Days { from: u32, to: u32 },
/// }
///
/// #[cache_result(key = "score:{lead}:{period}")]
/// async fn score(lead: LeadId, period: Period) -> Result<u64, DbError> { .. }
/// ```
///
/// | type | form | example |
/// |---|---|---|
/// | struct with one field | that of the field | `42` |
/// | struct with several fields | a group | `(42,Bonn)` |
/// | struct without fields | its name | `Everything` |
/// | variant without fields | its name | `AllTime` |
/// | variant with fields | a group of its name and its fields | `(Days,1,30)` |
///
/// Names and the order of fields and variants are as in the source, so changing them makes earlier entries misses.
/// Every field counts, so each must be a key part itself; type parameters get the bound `CacheKey`. A type whose
/// identity is in some of its fields implements the trait by hand.
///
/// `#[cache_key(crate = "path")]` on the type says where `cache_core` is, when it cannot be found.
#[proc_macro_derive(CacheKey, attributes(cache_key))]
pub fn cache_key(item: TokenStream) -> TokenStream {
    #[cfg(feature = "full")]
    let implementation = entry::key_part(item.into()).into();
    #[cfg(not(feature = "full"))]
    let implementation = {
        drop(item);
        TokenStream::new()
    };
    implementation
}
