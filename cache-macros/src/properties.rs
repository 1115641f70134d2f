//! What holds for every template and every list of options, however absurd. Not what is right: that has cases beside the
//! code.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use proptest::prelude::*;
use quote::{ToTokens, quote};
use syn::LitStr;

use crate::attr::CachedAttribute;
use crate::check::{Scope, resolve};
use crate::entry::{cached, invalidator, key_part};
use crate::errors::Errors;
use crate::model::{Next, Part, Source, Value};
use crate::signature::Function;
use crate::template::{Filter, Flavor, parse};

const FLAVORS: [Flavor; 4] = [Flavor::Key, Flavor::KeyType, Flavor::Target, Flavor::Tag];
const ATTRIBUTES: [CachedAttribute; 4] = [
    CachedAttribute::Result,
    CachedAttribute::SearchResults,
    CachedAttribute::LeadData,
    CachedAttribute::Response,
];

/// Text that is half a template, or any text at all.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        ":",
        ":",
        ".",
        "{a}",
        "{b.c}",
        "{b.0:hash}",
        "{type:lower}",
        "{self.x}",
        "a",
        "lead",
        "0",
        "hash",
        "é",
        "地",
        " ",
        "\u{301}",
        "\n",
        "*",
        "\\",
        "r#",
        "_",
        "🦀",
        "\"",
        "[",
        "%",
        "-",
    ]);
    prop_oneof![
        4 => prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

/// Text that is a template more often than not.
fn template() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        ":",
        ":",
        "{a}",
        "{b.c}",
        "{b.0:hash}",
        "{type:lower}",
        "{self.x}",
        "a",
        "lead",
        "0",
        "é",
        "-",
        "_.",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("n{}", pieces.concat()))
}

fn token() -> impl Strategy<Value = TokenTree> {
    let words = vec![
        "key",
        "key_type",
        "key_fn",
        "skip",
        "ttl",
        "tags",
        "bypass",
        "tier",
        "memory",
        "manager",
        "popular",
        "version",
        "stale_if_error",
        "soft_timeout",
        "refresh_ahead",
        "jitter",
        "none_ttl",
        "a",
        "b",
        "lead_id",
        "self",
        "Self",
        "result",
        "crate",
        "as",
        "move",
        "async",
        "_",
        "x",
        "Repo",
    ];
    let word = prop::sample::select(words).prop_map(|word| Ident::new(word, Span::call_site()).into());
    let sign = (
        prop::sample::select(vec![
            '=', ',', '|', '.', ':', '-', '&', '<', '>', '#', '!', '?', '\'',
        ]),
        any::<bool>(),
    )
        .prop_map(|(sign, joint)| {
            let spacing = if joint { Spacing::Joint } else { Spacing::Alone };
            TokenTree::from(Punct::new(sign, spacing))
        });
    let leaf = prop_oneof![
        4 => word,
        4 => sign,
        2 => text().prop_map(|text| Literal::string(&text).into()),
        1 => any::<i64>().prop_map(|number| Literal::u64_unsuffixed(number.unsigned_abs()).into()),
        1 => (0.0..1e9_f64).prop_map(|number| Literal::f64_unsuffixed(number).into()),
        1 => any::<char>().prop_map(|letter| Literal::character(letter).into()),
        1 => any::<u8>().prop_map(|byte| Literal::u8_suffixed(byte).into()),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let delimiter = prop::sample::select(vec![
            Delimiter::Parenthesis,
            Delimiter::Bracket,
            Delimiter::Brace,
            Delimiter::None,
        ]);
        (delimiter, prop::collection::vec(inner, 0..6))
            .prop_map(|(delimiter, tokens)| Group::new(delimiter, tokens.into_iter().collect()).into())
    })
}

/// Options as they are written, with any tokens in the place of some.
fn options() -> impl Strategy<Value = TokenStream> {
    let tokens = || prop::collection::vec(token(), 0..6).prop_map(TokenStream::from_iter);
    let name = prop::sample::select(vec![
        "key",
        "key_type",
        "key_fn",
        "ttl",
        "tags",
        "bypass",
        "tier",
        "manager",
        "version",
        "stale_if_error",
        "jitter",
        "soft_timeout",
        "hard_timeout",
        "refresh_ahead",
        "cache_if",
        "ttl_from",
        "popular",
        "id",
        "crate",
    ]);
    let option = prop_oneof![
        2 => tokens(),
        2 => (name, tokens()).prop_map(|(name, value)| {
            let name = syn::parse_str::<TokenStream>(name).unwrap_or_default();
            quote!(#name = #value)
        }),
        1 => tokens().prop_map(|names| quote!(skip(#names))),
        1 => text().prop_map(|text| quote!(key = #text)),
        1 => (tokens(), tokens()).prop_map(|(function, arguments)| quote!(#function(#arguments))),
    ];
    prop::collection::vec(option, 0..4).prop_map(|options| quote!(#(#options),*))
}

fn items() -> [TokenStream; 3] {
    [
        quote!(
            async fn f<T: Copy>(&self, a: u64, b: &Filters<T>, r#type: &mut u8) -> Result<Option<u64>, E> {
                1
            }
        ),
        quote!(
            async fn f(Path((lead_id, a)): Path<(u64, String)>, _: State<Db>) -> Json<u64> {
                half typed
            }
        ),
        quote!(
            fn f() {}
        ),
    ]
}

/// The text of a value, which tells what it is.
fn shown(path: &str, filter: &str) -> String {
    format!("<{path}|{filter}>")
}

/// The key that a person reads out of a template: what stands between braces is a value, all else is text.
fn read_by_hand(template: &str) -> String {
    let mut key = String::new();
    let mut inside: Option<String> = None;
    for c in template.chars() {
        match (c, &mut inside) {
            ('{', _) => inside = Some(String::new()),
            ('}', Some(placeholder)) => {
                let (path, filter) = placeholder.split_once(':').unwrap_or((placeholder, ""));
                key += &shown(path, filter);
                inside = None;
            }
            (c, Some(placeholder)) => placeholder.push(c),
            (c, None) => key.push(c),
        }
    }
    key
}

/// What follows each placeholder of a template, which its value must not hold unescaped.
fn ends_by_hand(template: &str) -> Vec<Next> {
    let behind = |(at, _)| match template.as_bytes().get(at + 1) {
        _ if template[..at].ends_with(":hash") => Next::End,
        None | Some(b':') => Next::End,
        Some(b'{') => Next::Value,
        Some(byte) => Next::Byte(*byte),
    };
    template.match_indices('}').map(behind).collect()
}

/// The parts of a template whose names are those of a function's arguments.
fn resolved(template: &str) -> Option<Vec<Part>> {
    let item = quote!(
        async fn f(&self, a: u64, b: B, r#type: String) -> u64 {}
    );
    let function = Function::parse(item, "cache_result").ok()?;
    let bindings = function.bindings();
    let scope = Scope {
        function: &function,
        bindings: &bindings,
        has_result: false,
        is_local: false,
    };
    let literal = LitStr::new(template, Span::call_site());
    resolve(&literal, Flavor::Key, &scope, &mut Errors::default())
}

/// The key that the parts give.
fn render(parts: &[Part]) -> String {
    let path = |value: &Value| {
        let root = match value.source {
            Source::Argument(index) => ["a", "b", "type"].get(index).copied().unwrap_or("?"),
            Source::Receiver => "self",
            // The function has none.
            Source::Generic(_) => "?",
            Source::Result => "result",
        };
        let members = value.members.iter().map(ToTokens::to_token_stream);
        members.fold(root.to_owned(), |path, member| format!("{path}.{member}"))
    };
    let one = |part: &Part| match part {
        Part::Literal(text) => text.clone(),
        Part::Value(value) => {
            let filter = match value.filter {
                None => "",
                Some(Filter::Hash) => "hash",
                Some(Filter::Lower) => "lower",
            };
            shown(&path(value), filter)
        }
    };
    parts.iter().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn c6_any_text_is_a_template_or_has_faults_that_lie_in_it(text in text()) {
        for flavor in FLAVORS {
            match parse(&text, flavor) {
                Ok(template) => prop_assert!(!template.parts.is_empty()),
                Err(faults) => {
                    prop_assert!(!faults.is_empty());
                    prop_assert!(faults.iter().all(|fault| text.get(fault.range.clone()).is_some()));
                }
            }
        }
    }

    #[test]
    fn k1_a_template_gives_the_key_that_a_plain_reading_of_it_gives(template in template()) {
        if let Some(parts) = resolved(&template) {
            prop_assert_eq!(render(&parts), read_by_hand(&template));
        }
    }

    #[test]
    fn k3_each_value_knows_what_ends_it(template in template()) {
        if let Some(parts) = resolved(&template) {
            let next = parts.iter().filter_map(|part| match part {
                Part::Value(value) => Some(value.next),
                Part::Literal(_) => None,
            });
            prop_assert!(next.collect::<Vec<_>>() == ends_by_hand(&template), "{}", template);
        }
    }

    #[test]
    fn c7_any_options_give_items_and_never_panic(options in options()) {
        for item in items() {
            for attribute in ATTRIBUTES {
                let expansion = cached(attribute, options.clone(), &item);
                prop_assert!(expansion.to_string().contains("fn f"));
            }
            prop_assert!(invalidator(options.clone(), &item).to_string().contains("fn f"));
        }
    }

    #[test]
    fn c16_any_item_is_refused_or_expanded_and_never_panics(tokens in prop::collection::vec(token(), 0..12)) {
        let item: TokenStream = tokens.into_iter().collect();
        for attribute in ATTRIBUTES {
            drop(cached(attribute, quote!(key = "a:{a}"), &item));
        }
        drop(invalidator(quote!("a"), &item));
        drop(key_part(item));
    }
}

#[test]
fn most_of_what_the_templates_are_made_of_is_a_template() {
    for template in ["n:{a}", "n0:é{b.c}-{b.0:hash}{type:lower}:{self.x}", "n"] {
        assert!(resolved(template).is_some(), "{template}");
    }
}
