//! One test for each thing that a shape has, and those that it must not have.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};

use super::of;

/// Declares types in modules of their own, so that they can have the same names.
macro_rules! versions {
    ($($module:ident { $($item:item)* })*) => {$(
        #[expect(dead_code, reason = "types are looked at, and no values")]
        mod $module {
            use super::*;
            $($item)*
        }
    )*};
}

versions! {
    base {
        #[derive(Deserialize)]
        pub(super) struct Lead { pub(super) id: u32, pub(super) name: String, pub(super) inner: Inner }
        #[derive(Deserialize)]
        pub(super) struct Inner { pub(super) score: u32 }
    }
    same {
        #[derive(Deserialize)]
        pub(super) struct Other { pub(super) inner: Nested, pub(super) name: String, pub(super) id: u32 }
        #[derive(Deserialize)]
        pub(super) struct Nested { pub(super) score: u32 }
    }
    renamed {
        #[derive(Deserialize)]
        pub(super) struct Lead { pub(super) id: u32, pub(super) title: String, pub(super) inner: base::Inner }
        #[derive(Deserialize)]
        pub(super) struct Inner { pub(super) points: u32 }
    }
    wider {
        #[derive(Deserialize)]
        pub(super) struct Lead { pub(super) id: u64, pub(super) name: String, pub(super) inner: base::Inner }
        #[derive(Deserialize)]
        pub(super) struct Inner { pub(super) score: u64 }
    }
    text {
        #[derive(Deserialize)]
        pub(super) struct Lead { pub(super) id: String, pub(super) name: String, pub(super) inner: base::Inner }
        #[derive(Deserialize)]
        pub(super) struct Inner { pub(super) score: String }
    }
    optional {
        #[derive(Deserialize)]
        pub(super) struct Lead { pub(super) id: Option<u32>, pub(super) name: String, pub(super) inner: base::Inner }
        #[derive(Deserialize)]
        pub(super) struct Inner { pub(super) score: Option<u32> }
    }
    added {
        #[derive(Deserialize)]
        pub(super) struct Lead {
            pub(super) id: u32, pub(super) name: String, pub(super) inner: base::Inner,
            #[serde(default)] pub(super) more: u8,
        }
        #[derive(Deserialize)]
        pub(super) struct Inner { pub(super) score: u32, #[serde(default)] pub(super) more: u8 }
    }
    removed {
        #[derive(Deserialize)]
        pub(super) struct Lead { pub(super) id: u32, pub(super) inner: base::Inner }
        #[derive(Deserialize)]
        pub(super) struct Inner {}
    }
}

#[track_caller]
fn all_differ(fingerprints: &[u64]) {
    let different: BTreeSet<_> = fingerprints.iter().collect();
    assert_eq!(different.len(), fingerprints.len(), "{fingerprints:x?}");
}

#[test]
fn f1_a_change_of_a_field_is_another_shape() {
    all_differ(&[
        of::<base::Lead>(),
        of::<renamed::Lead>(),
        of::<wider::Lead>(),
        of::<text::Lead>(),
        of::<optional::Lead>(),
        of::<added::Lead>(),
        of::<removed::Lead>(),
    ]);
}

/// The versions of `Inner`, each within what `$outer` makes of it.
macro_rules! within {
    ($($outer:ident),*) => {$(
        all_differ(&[
            of::<$outer<base::Inner>>(),
            of::<$outer<renamed::Inner>>(),
            of::<$outer<wider::Inner>>(),
            of::<$outer<text::Inner>>(),
            of::<$outer<optional::Inner>>(),
            of::<$outer<added::Inner>>(),
            of::<$outer<removed::Inner>>(),
        ]);
    )*};
}

type InMap<T> = HashMap<String, T>;
type InPair<T> = (IpAddr, T);
type Deep<T> = BTreeMap<u32, Vec<Option<Box<(u8, T)>>>>;
type Twice<T> = Wrapper<Wrapper<T>>;
type Outcome<T> = Result<u8, T>;

#[derive(Deserialize)]
struct Wrapper<T> {
    value: T,
}

#[derive(Deserialize)]
struct New<T>(T);

#[derive(Deserialize)]
#[expect(dead_code, reason = "types are looked at, and no values")]
enum InVariant<T> {
    Nothing,
    Single(T),
    Pair(u8, u8),
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "types are looked at, and no values")]
enum InStruct<T> {
    First { a: u8 },
    Last { b: u8, value: T },
}

#[derive(Deserialize)]
#[serde(tag = "t", content = "c")]
#[expect(dead_code, reason = "types are looked at, and no values")]
enum Adjacent<T> {
    First(u8),
    Second(T),
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "types are looked at, and no values")]
struct AfterBad<T> {
    bad: Bad,
    worse: (Bad, u8),
    value: T,
}

#[test]
fn f1_a_change_in_a_nested_type_is_another_shape() {
    within!(
        Vec, Option, Box, InMap, InPair, Deep, Twice, Outcome, Wrapper, New, InVariant, InStruct, Adjacent
    );
}

#[test]
fn f1_what_is_refused_does_not_hide_its_siblings() {
    within!(AfterBad);
}

#[test]
fn f1_names_of_types_and_the_order_of_fields_do_not_matter() {
    assert_eq!(of::<base::Lead>(), of::<same::Other>());
    assert_eq!(of::<base::Inner>(), of::<same::Nested>());
}

#[test]
fn f1_a_change_of_a_variant_is_another_shape() {
    versions! {
        plain { #[derive(Deserialize)] pub(super) enum Kind { A, B(u8), C { x: u8 } } }
        more { #[derive(Deserialize)] pub(super) enum Kind { A, B(u8), C { x: u8 }, D } }
        less { #[derive(Deserialize)] pub(super) enum Kind { A, B(u8) } }
        named { #[derive(Deserialize)] pub(super) enum Kind { A, B(u8), Z { x: u8 } } }
        retyped { #[derive(Deserialize)] pub(super) enum Kind { A, B(u8), C { x: u16 } } }
        filled { #[derive(Deserialize)] pub(super) enum Kind { A(u8), B(u8), C { x: u8 } } }
        longer { #[derive(Deserialize)] pub(super) enum Kind { A, B(u8, u8), C { x: u8 } } }
    }
    fn in_vec<T: DeserializeOwned>() -> u64 {
        of::<Vec<Wrapper<T>>>()
    }
    all_differ(&[
        of::<plain::Kind>(),
        of::<more::Kind>(),
        of::<less::Kind>(),
        of::<named::Kind>(),
        of::<retyped::Kind>(),
        of::<filled::Kind>(),
        of::<longer::Kind>(),
        in_vec::<plain::Kind>(),
        in_vec::<more::Kind>(),
        in_vec::<retyped::Kind>(),
    ]);
}

#[test]
fn f1_every_primitive_is_its_own_shape() {
    all_differ(&[
        of::<bool>(),
        of::<u8>(),
        of::<u16>(),
        of::<u32>(),
        of::<u64>(),
        of::<u128>(),
        of::<i8>(),
        of::<i16>(),
        of::<i32>(),
        of::<i64>(),
        of::<i128>(),
        of::<f32>(),
        of::<f64>(),
        of::<char>(),
        of::<String>(),
        of::<()>(),
        of::<Option<u8>>(),
        of::<Vec<u8>>(),
        of::<Vec<Vec<u8>>>(),
        of::<[u8; 3]>(),
        of::<[u8; 4]>(),
        of::<(u8, u16)>(),
        of::<(u16, u8)>(),
        of::<BTreeMap<u8, u16>>(),
        of::<BTreeMap<u16, u16>>(),
        of::<BTreeMap<u8, u8>>(),
        of::<New<u8>>(),
        of::<serde_json::Value>(),
    ]);
    assert_eq!(of::<HashMap<String, u8>>(), of::<BTreeMap<String, u8>>());
}

#[test]
fn f1_values_that_are_checked_have_a_shape() {
    fn before<T: DeserializeOwned>() -> [u64; 2] {
        [of::<(T, u8)>(), of::<(T, u16)>()]
    }
    let all = [
        before::<IpAddr>(),
        before::<PathBuf>(),
        before::<NonZeroU32>(),
        before::<Duration>(),
        before::<SystemTime>(),
        before::<Email>(),
        before::<Short>(),
        before::<Long>(),
    ];
    for (at, [one, other]) in all.into_iter().enumerate() {
        assert_ne!(one, other, "{at}");
    }
}

#[test]
fn f1_recursive_types_end() {
    versions! {
        one {
            #[derive(Deserialize)]
            pub(super) struct Tree { value: u8, next: Option<Box<Tree>>, children: Vec<Tree>, named: HashMap<String, Tree> }
            #[derive(Deserialize)]
            pub(super) enum Expr { Neg(Box<Expr>), Add(Box<Expr>, Box<Expr>), Call { of: Vec<Expr> }, Literal(u8) }
            #[derive(Deserialize)]
            pub(super) struct Ping { pong: Option<Box<Pong>> }
            #[derive(Deserialize)]
            pub(super) struct Pong { ping: Vec<Ping>, value: u8 }
            #[derive(Deserialize)]
            #[serde(transparent)]
            pub(super) struct Nest(Vec<Nest>);
        }
        two {
            #[derive(Deserialize)]
            pub(super) struct Tree { value: u8, next: Option<Box<Tree>>, children: Vec<Tree>, named: HashMap<u8, Tree> }
            #[derive(Deserialize)]
            pub(super) enum Expr { Neg(Box<Expr>), Add(Box<Expr>, Box<Expr>), Call { of: Vec<Expr> }, Literal(u16) }
            #[derive(Deserialize)]
            pub(super) struct Ping { pong: Option<Box<Pong>> }
            #[derive(Deserialize)]
            pub(super) struct Pong { ping: Vec<Ping>, value: u16 }
        }
    }
    all_differ(&[
        of::<one::Tree>(),
        of::<two::Tree>(),
        of::<one::Expr>(),
        of::<two::Expr>(),
        of::<one::Ping>(),
        of::<two::Ping>(),
        of::<one::Nest>(),
    ]);
}

#[test]
fn f1_flattened_and_tagged_types_show_their_required_fields() {
    versions! {
        first {
            #[derive(Deserialize)]
            pub(super) struct Flat { id: u8, name: String, #[serde(flatten)] inner: base::Inner }
            #[derive(Deserialize)]
            #[serde(tag = "kind")]
            pub(super) enum Tagged { A { x: u32, y: String, z: bool }, B(base::Inner), C }
            #[derive(Deserialize)]
            #[serde(untagged)]
            pub(super) enum Untagged { Number(u32), Text(String) }
        }
        retyped {
            #[derive(Deserialize)]
            pub(super) struct Flat { id: u16, name: String, #[serde(flatten)] inner: base::Inner }
            #[derive(Deserialize)]
            #[serde(tag = "kind")]
            pub(super) enum Tagged { A { x: u32, y: u64, z: bool }, B(base::Inner), C }
            #[derive(Deserialize)]
            #[serde(untagged)]
            pub(super) enum Untagged { Number(u64), Text(String) }
        }
        nested {
            #[derive(Deserialize)]
            pub(super) struct Flat { id: u8, name: String, #[serde(flatten)] inner: wider::Inner }
            #[derive(Deserialize)]
            #[serde(tag = "kind")]
            pub(super) enum Tagged { A { x: u32, y: String, z: bool }, B(wider::Inner), C }
        }
        renamed_variant {
            #[derive(Deserialize)]
            #[serde(tag = "kind")]
            pub(super) enum Tagged { A { x: u32, y: String, z: bool }, B(base::Inner), D }
            #[derive(Deserialize)]
            pub(super) struct Flat { #[serde(flatten)] inner: Tagged }
        }
        renamed_field {
            #[derive(Deserialize)]
            #[serde(tag = "kind")]
            pub(super) enum Tagged { A { x: u32, y: String, w: bool }, B(base::Inner), C }
            #[derive(Deserialize)]
            pub(super) struct Flat { id: u8, name: String, #[serde(flatten)] inner: super::renamed::Inner }
        }
        other_tag {
            #[derive(Deserialize)]
            #[serde(tag = "type")]
            pub(super) enum Tagged { A { x: u32, y: String, z: bool }, B(base::Inner), C }
            #[derive(Deserialize)]
            pub(super) struct Flat { #[serde(flatten)] inner: Tagged }
        }
    }
    all_differ(&[
        of::<first::Flat>(),
        of::<retyped::Flat>(),
        of::<nested::Flat>(),
        of::<renamed_field::Flat>(),
        of::<renamed_variant::Flat>(),
        of::<other_tag::Flat>(),
        of::<first::Tagged>(),
        of::<retyped::Tagged>(),
        of::<nested::Tagged>(),
        of::<renamed_variant::Tagged>(),
        of::<renamed_field::Tagged>(),
        of::<other_tag::Tagged>(),
        of::<first::Untagged>(),
        of::<retyped::Untagged>(),
    ]);
}

#[test]
fn f1_an_alias_is_seen_and_hides_nothing() {
    versions! {
        without { #[derive(Deserialize)] pub(super) struct Row { a: u8, b: u8 } }
        with { #[derive(Deserialize)] pub(super) struct Row { #[serde(alias = "z")] a: u8, b: u8 } }
    }
    all_differ(&[
        of::<without::Row>(),
        of::<with::Row>(),
        of::<(with::Row, u8)>(),
        of::<(with::Row, u16)>(),
        of::<(without::Row, u8)>(),
    ]);
}

#[test]
fn f1_odd_types_neither_panic_nor_hang() {
    all_differ(&[
        of::<Panics>(),
        of::<Refuses>(),
        of::<(Bad, u8)>(),
        of::<Retries>(),
        of::<Never>(),
    ]);
    assert_eq!(of::<Panics>(), of::<Panics>());
}

#[test]
fn f1_large_types_are_bounded() {
    type Matrix = Vec<[[[[u8; 32]; 32]; 32]; 2]>;
    assert_eq!(of::<Matrix>(), of::<Matrix>());
}

/// With other numbers here, no entry that is stored already is read by what is built from this.
#[test]
fn f1_fingerprints_stay_what_they_are() {
    assert_eq!(
        [
            of::<u32>(),
            of::<Vec<Option<String>>>(),
            of::<HashMap<String, (u8, f64)>>(),
            of::<base::Lead>(),
            of::<InVariant<base::Inner>>(),
            of::<Adjacent<base::Inner>>(),
            of::<Duration>(),
            of::<serde_json::Value>(),
        ],
        [
            6_444_629_628_615_787_113,
            12_444_577_142_223_582_085,
            3_473_140_036_278_903_419,
            10_715_703_595_400_472_793,
            3_598_376_641_164_569_241,
            4_435_012_012_631_976_581,
            2_464_947_385_412_530_153,
            2_511_133_427_348_631_827,
        ],
    );
}

/// Takes nothing that is made up.
struct Bad;

impl<'de> Deserialize<'de> for Bad {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?;
        Err(D::Error::custom("no"))
    }
}

/// Takes one of the later texts.
struct Email;

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains('@') {
            Ok(Self)
        } else {
            Err(D::Error::custom("no address"))
        }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "Wrapper<(String, String)>")]
struct Short;

impl TryFrom<Wrapper<(String, String)>> for Short {
    type Error = &'static str;

    fn try_from(Wrapper { value: (one, two) }: Wrapper<(String, String)>) -> Result<Self, Self::Error> {
        if one.len() < 5 && two.len() < 5 {
            Ok(Self)
        } else {
            Err("too long")
        }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "Vec<u8>")]
struct Long;

impl TryFrom<Vec<u8>> for Long {
    type Error = &'static str;

    fn try_from(list: Vec<u8>) -> Result<Self, Self::Error> {
        if list.len() > 2 {
            Ok(Self)
        } else {
            Err("too short")
        }
    }
}

struct Panics;

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        assert_eq!(number, 77, "a made-up number");
        Ok(Self)
    }
}

struct Refuses;

impl<'de> Deserialize<'de> for Refuses {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("no"))
    }
}

#[derive(Deserialize)]
enum Never {}

/// Goes on after errors.
struct Retries;

impl<'de> Deserialize<'de> for Retries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lenient;
        impl<'de> Visitor<'de> for Lenient {
            type Value = Retries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Retries, A::Error> {
                while !matches!(seq.next_element::<Bad>(), Ok(None)) {}
                Ok(Retries)
            }
        }
        deserializer.deserialize_seq(Lenient)
    }
}
