//! The steps of an attribute in order: parse, check, expand.
//!
//! Plain token streams in and out, so that tests need no compiler. The invariant is that the function comes out
//! whatever was wrong, without the attribute if anything was, so that editors and callers keep it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::attr::{self, CachedAttribute};
use crate::crate_path::CratePath;
use crate::errors::Errors;
use crate::expand::Extent;
use crate::impl_block::{self, Block, Item};
use crate::locals;
use crate::model::{Cached, Invalidator};
use crate::signature::Function;
use crate::{check, expand};

/// Expands an attribute that caches.
pub(crate) fn cached(attribute: CachedAttribute, options: TokenStream, item: &TokenStream) -> TokenStream {
    if impl_block::is_done(&options) {
        return item.clone();
    }
    match Function::parse(item.clone(), attribute.name()) {
        Ok(function) => {
            let Expanded {
                function,
                beside,
                errors,
            } = expanded(attribute, options, function);
            quote!(#function #beside #errors)
        }
        Err(error) => with_item(&error, item),
    }
}

/// What becomes of a cached function.
struct Expanded {
    function: TokenStream,
    beside: TokenStream,
    errors: TokenStream,
}

fn expanded(attribute: CachedAttribute, options: TokenStream, function: Function) -> Expanded {
    let mut errors = Errors::default();
    let options = attr::parse_cached(attribute, options, &mut errors);
    let krate = CratePath::new(options.krate.get());
    let mut bindings = function.bindings();
    let each = check::each(&options, &function, &mut bindings, &mut errors);
    let cached = Cached {
        attribute,
        options,
        function,
        bindings,
        each,
        krate,
    };
    let plan = check::cached(&cached, &mut errors);
    // Without it, what stands beside the function would be refused by rustc, in words that say nothing.
    let has_place = check::has_place_for_a_handle(&cached, &mut errors);
    let is_right = errors.is_empty();
    let extent = if is_right { Extent::Whole } else { Extent::Names };
    let handle = |plan| expand::handle(&cached, plan, extent);
    let beside = plan
        .as_ref()
        .filter(|_| has_place)
        .map(handle)
        .unwrap_or_default();
    let function = match plan {
        Some(plan) if is_right => expand::cached_fn(&cached, &plan),
        _ => cached.function.to_token_stream(),
    };
    Expanded {
        function,
        beside,
        errors: errors.into_compile_errors(),
    }
}

/// Expands `#[cache_impl]`.
pub(crate) fn implementation(options: &TokenStream, item: &TokenStream) -> TokenStream {
    let block = match Block::parse(item.clone()) {
        Ok(block) => block,
        Err(error) => return with_item(&error, item),
    };
    let mut errors = check::cache_impl(options, &block).into_compile_errors();
    let mut items = TokenStream::new();
    let mut beside = TokenStream::new();
    for item in &block.items {
        match item {
            Item::Cached {
                attribute,
                options,
                function,
            } => {
                let expanded = expanded(*attribute, options.clone(), (**function).clone());
                items.extend(expanded.function);
                beside.extend(expanded.beside);
                errors.extend(expanded.errors);
            }
            Item::Other(tokens) => items.extend(tokens.clone()),
        }
    }
    let block = block.with(&items, &beside);
    quote!(#block #errors)
}

/// Expands `#[invalidate_cache]`.
pub(crate) fn invalidator(options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let function = match Function::parse(item.clone(), "invalidate_cache") {
        Ok(function) => function,
        Err(error) => return with_item(&error, item),
    };
    let options = attr::parse_invalidate(options, &mut errors);
    let krate = CratePath::new(options.krate.get());
    let bindings = function.bindings();
    let invalidator = Invalidator {
        name: "invalidate_cache",
        is_local: false,
        options,
        function,
        bindings,
        krate,
    };
    let targets = check::invalidator(&invalidator, &mut errors);
    if errors.is_empty() {
        return expand::invalidator(&invalidator, &targets);
    }
    let mut tokens = invalidator.function.into_token_stream();
    tokens.extend(errors.into_compile_errors());
    tokens
}

/// Expands `invalidate!`.
pub(crate) fn invalidate(tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = attr::parse_invalidate(tokens, &mut errors);
    let around = locals::around("invalidate!", options);
    let targets = check::invalidator(&around, &mut errors);
    if errors.is_empty() {
        expand::invalidate(&around, &targets)
    } else {
        errors.into_expression()
    }
}

/// Expands `key!`.
pub(crate) fn key(tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let literal = match locals::literal(tokens) {
        Ok(literal) => literal,
        Err(error) => return error.into_compile_error(),
    };
    let around = locals::around_text("key!", &literal);
    match check::key_macro(&literal, &around, &mut errors) {
        Some(parts) if errors.is_empty() => expand::key(&around, &parts),
        _ => errors.into_expression(),
    }
}

/// Expands `entry!`.
pub(crate) fn cache_entry(tokens: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = match locals::target(tokens) {
        Ok(options) => options,
        Err(error) => return error.into_compile_error(),
    };
    let around = locals::around("entry!", options);
    let plans = check::invalidator(&around, &mut errors);
    match plans.first() {
        Some(plan) if errors.is_empty() => expand::entry(&around, &plan.kind),
        _ => errors.into_expression(),
    }
}

/// Expands `#[derive(CacheKey)]`.
pub(crate) fn key_part(item: TokenStream) -> TokenStream {
    let input = match syn::parse2::<syn::DeriveInput>(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let options = attr::parse_cache_key(&input, &mut errors);
    let krate = CratePath::new(options.krate.get());
    let implementation = check::key_part(&input, &mut errors).then(|| expand::key_part(&input, &krate));
    let errors = errors.into_compile_errors();
    quote!(#implementation #errors)
}

/// The item as it was, and what is wrong with it.
fn with_item(error: &syn::Error, item: &TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#item #error)
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;

    use super::{cached, invalidator, key_part};
    use crate::attr::CachedAttribute;

    const ATTRIBUTES: [CachedAttribute; 4] = [
        CachedAttribute::Result,
        CachedAttribute::SearchResults,
        CachedAttribute::LeadData,
        CachedAttribute::Response,
    ];

    fn tokens(text: &str) -> TokenStream {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The messages in the `compile_error!`s of an expansion.
    fn messages(expansion: TokenStream) -> Vec<String> {
        let file = syn::parse2::<syn::File>(expansion).unwrap_or_else(|error| panic!("no items: {error}"));
        file.items
            .into_iter()
            .filter_map(|item| match item {
                syn::Item::Macro(item) => item.mac.parse_body::<syn::LitStr>().ok().map(|text| text.value()),
                _ => None,
            })
            .collect()
    }

    fn first_lines(options: &str, item: &str) -> Vec<String> {
        messages(cached(CachedAttribute::Result, tokens(options), &tokens(item)))
            .iter()
            .map(|message| message.lines().next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn a_function_without_mistakes_expands_to_items() {
        let item = tokens("async fn get_lead(db: &Db, lead_id: u64) -> Result<Lead, E> { body() }");
        for attribute in ATTRIBUTES {
            let options = if attribute == CachedAttribute::Result {
                "key = \"lead:{lead_id}\", skip(db)"
            } else {
                "skip(db)"
            };
            assert!(messages(cached(attribute, tokens(options), &item)).is_empty());
        }
        assert!(messages(invalidator(tokens("get_lead(lead_id), \"a:{lead_id}:*\""), &item)).is_empty());
    }

    /// The body of the derived `write_key`, without white space.
    fn derived(item: &str) -> String {
        let text = key_part(tokens(item)).to_string().replace(' ', "");
        let at = text.find("match*self").unwrap_or_else(|| panic!("{text}"));
        text[at..].to_owned()
    }

    #[test]
    fn k7_a_struct_of_one_field_is_written_as_the_field() {
        for item in ["struct Id(u64);", "struct Id<'a> { id: &'a str }"] {
            let body = derived(item);
            assert!(body.contains("CacheKey::write_key(__0,__k)"), "{body}");
            assert!(!body.contains("open"), "{body}");
        }
    }

    #[test]
    fn k7_several_fields_are_a_group_in_order() {
        let body = derived("struct Range { r#from: u32, to: u32 }");
        assert!(
            body.starts_with("match*self{Self{r#from:ref__0,to:ref__1}=>{__k.open();__k.item(0usize,"),
            "{body}"
        );
        assert!(
            body.contains("__k.item(1usize,") && body.contains("__k.close();"),
            "{body}"
        );
    }

    #[test]
    fn k7_names_stand_for_what_has_no_fields() {
        for item in [
            "struct r#type;",
            "struct r#type {}",
            "struct r#type();",
            "enum E { r#type }",
            "enum E { r#type() }",
        ] {
            assert!(derived(item).contains("__k.text(\"type\");"), "{item}");
        }
        assert!(derived("enum Never {}").starts_with("match*self{}"));
    }

    #[test]
    fn k7_a_variant_with_fields_begins_with_its_name() {
        let body = derived("enum E { A, r#B(u8) }");
        assert!(body.contains("Self::A{}=>{__k.text(\"A\");}"), "{body}");
        assert!(
            body.contains("Self::r#B{0:ref__0}=>{__k.open();__k.item(0,\"B\");__k.item(1usize,"),
            "{body}"
        );
    }

    #[test]
    fn k7_type_parameters_are_bound_and_defaults_are_left_out() {
        let text = key_part(tokens(
            "struct P<'a, T: Copy = u8, const N: usize = 1>(&'a [T; N]) where T: Ord;",
        ));
        let text = text.to_string().replace(' ', "");
        assert!(text.contains("impl<'a,T:Copy,constN:usize>"), "{text}");
        assert!(
            text.contains("forP<'a,T,N>whereT:Ord,T:::cache_core::CacheKey{"),
            "{text}"
        );
    }

    #[test]
    fn k7_what_cannot_derive_a_key_is_told() {
        let of = |item: &str| messages(key_part(tokens(item)));
        for (item, start) in [
            ("union U { a: u8 }", "a union cannot derive `CacheKey`"),
            (
                "struct S { #[cache_key(skip)] a: u8 }",
                "`#[cache_key(..)]` goes on the type, a field",
            ),
            (
                "enum E { #[cache_key(skip)] A }",
                "`#[cache_key(..)]` goes on the type, a variant",
            ),
            ("#[cache_key(kind = 1)] struct S;", "unknown option `kind`"),
            ("#[cache_key(crate = 1)] struct S;", "`crate` is a string literal"),
            (
                "#[cache_key(crate = \"a\")] #[cache_key(crate = \"a\")] struct S;",
                "`crate` is given twice",
            ),
            (
                "#[cache_key] struct S;",
                "`#[cache_key]` without an option does nothing",
            ),
            (
                "#[cache_key()] struct S;",
                "`#[cache_key]` without an option does nothing",
            ),
        ] {
            let found = of(item);
            assert!(
                found.len() == 1 && found[0].starts_with(start),
                "{item}: {found:?}"
            );
        }
        let text = key_part(tokens("#[cache_key(crate = \"crate::caching\")] struct S(u8);")).to_string();
        assert!(
            text.replace(' ', "").contains("implcrate::caching::CacheKeyforS"),
            "{text}"
        );
    }

    #[test]
    fn a_tag_is_written_like_the_same_tag_of_an_invalidator() {
        let item = tokens("async fn f(a: u64, b: Filters) -> u64 { a }");
        let tags = "tags = [\"x\", \"city:{b.city:lower}:{a}-{b.0:hash}\"]";
        let renders = |expansion: &TokenStream| -> Vec<String> {
            let text = expansion.to_string().replace(' ', "");
            let of_tag = |rest: &str| {
                let end = rest.find("})").unwrap_or_else(|| panic!("{rest}"));
                rest[..end].to_owned()
            };
            let function = text.split("enumf{}").next().unwrap_or_default();
            function.split(".tag(").skip(1).map(of_tag).collect()
        };
        let cached = cached(
            CachedAttribute::Result,
            tokens(&format!("key = \"a:{{a}}\", skip(b), {tags}")),
            &item,
        );
        let found = renders(&cached);
        assert_eq!(found.len(), 2, "{cached}");
        assert_eq!(found, renders(&invalidator(tokens(tags), &item)));
    }

    #[test]
    fn options_that_need_no_background_take_borrowed_arguments() {
        let item = "async fn f(id: &str) -> Result<u64, E> { Ok(1) }";
        let options =
            "key = \"a:{id}\", stale_if_error = 60, hard_timeout = 1, jitter = 0.1, tags = [\"a:{id}\"]";
        assert!(first_lines(options, item).is_empty());
        for option in [
            "stale_while_revalidate = 60",
            "refresh_ahead = 0.5",
            "stale_if_error = 60, soft_timeout = 1",
        ] {
            let found = first_lines(&format!("key = \"a:{{id}}\", {option}"), item);
            assert!(
                found.len() == 1 && found[0].starts_with("`id` is borrowed, but with"),
                "{option}: {found:?}"
            );
        }
    }

    #[test]
    fn every_option_is_refused_twice() {
        let item = "async fn f(a: u64, b: u64) -> Option<u64> { None }";
        for option in [
            "key_type = \"x\"",
            "key_fn = |a| a",
            "skip(b)",
            "ttl = 5",
            "stale_if_error = 5",
            "stale_while_revalidate = 5",
            "refresh_ahead = 0.5",
            "soft_timeout = 5",
            "hard_timeout = 5",
            "jitter = 0.5",
            "none_ttl = 5",
            "cache_if = f",
            "ttl_from = f",
            "tags = [\"x\"]",
            "bypass = true",
            "refresh = true",
            "tier = memory",
            "manager = m",
            "version = 1",
            "handle = Name",
            "crate = \"x\"",
        ] {
            let name = option.split([' ', '(']).next().unwrap_or_default();
            let found = first_lines(&format!("{option}, {option}"), item);
            assert!(
                found.contains(&format!("`{name}` is given twice")),
                "{option}: {found:?}"
            );
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let item = "fn f(a: u64) { }";
        let found = first_lines("key = \"x:{b}:{\", ttl = 0, colour = 1", item);
        assert_eq!(
            found,
            [
                "a `ttl` of zero would store nothing",
                "unknown option `colour`",
                "`#[cache_result]` needs an `async fn`, `f` is not async",
                "`f` returns nothing that could be cached",
                "this `{` is not closed",
            ]
        );
    }

    #[test]
    fn the_function_comes_out_whatever_is_wrong() {
        let item =
            tokens("#[doc = \"x\"] pub(crate) async fn f<T>(a: T) -> u64 where T: Copy { half typed ( ) . }");
        for options in [
            "colour",
            "= = =",
            "key = ",
            "key = \"{\"",
            ", ,",
            "skip(",
            "\"a\" \"b\"",
        ] {
            let Ok(options) = options.parse::<TokenStream>() else {
                continue;
            };
            for attribute in ATTRIBUTES {
                let expansion = cached(attribute, options.clone(), &item).to_string();
                assert!(expansion.starts_with(&item.to_string()), "{expansion}");
            }
            assert!(
                invalidator(options, &item)
                    .to_string()
                    .starts_with(&item.to_string())
            );
        }
    }

    #[test]
    fn arbitrary_options_never_panic() {
        const PIECES: [&str; 40] = [
            "key",
            "=",
            "\"a:{id}\"",
            ",",
            "skip",
            "(id)",
            "()",
            "self",
            "ttl",
            "-",
            "5",
            "\"5m\"",
            "|x|",
            "x",
            "..",
            "f(..)",
            "self.m(id)",
            "Self::m(..)",
            "<T as U>::m(id)",
            "tags",
            "stale_if_error",
            "stale_while_revalidate",
            "refresh_ahead",
            "soft_timeout",
            "hard_timeout",
            "jitter",
            "0.8",
            "\"80%\"",
            "[\"a\"]",
            "[]",
            "{}",
            "result",
            "crate",
            "\"::\"",
            "r#type",
            "'a",
            "move",
            "::",
            "&",
            "_",
        ];
        let item = quote!(
            async fn f(&self, id: u64, r#type: &mut u8) -> Result<Option<u64>, E> {
                1
            }
        );
        let mut state: u64 = 0x2545_f491_4f6c_dd1d;
        for _ in 0..4000 {
            let mut text = String::new();
            loop {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                match PIECES.get(usize::try_from(state % 44).unwrap_or(0)) {
                    Some(piece) => text.push_str(piece),
                    None => break,
                }
                text.push(' ');
            }
            let Ok(options) = text.parse::<TokenStream>() else {
                continue;
            };
            for attribute in ATTRIBUTES {
                drop(cached(attribute, options.clone(), &item));
            }
            drop(invalidator(options, &item));
        }
    }
}
