//! Canonical JSON, for digests in keys: object keys sorted, absent options left out, no white space.
//! It is not the codec of values. Invariant: equal values give equal bytes whatever the order of their fields.
//!
//! Numbers and texts look as `serde_json` writes them; floats that are no number are written bare, so that they differ
//! from every text and from `null`.

use serde::Serialize;
use serde::ser::{self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant};
use serde::ser::{SerializeTuple, SerializeTupleStruct, SerializeTupleVariant};
use sha2::{Digest, Sha256};

/// Something whose canonical JSON can be taken: every `Serialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be hashed into a cache key",
    label = "`{Self}` does not implement `Serialize`",
    note = "derive `serde::Serialize` for it, or leave it out of the key: `skip(..)`"
)]
pub trait Canonical {
    /// Appends the canonical JSON of the value. Fails when the value's own `Serialize` does.
    #[doc(hidden)]
    fn canonical(&self, out: &mut Vec<u8>) -> Result<(), Failed>;
    #[doc(hidden)]
    fn as_canonical(&self) -> &dyn Canonical
    where
        Self: Sized,
    {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Canonical for T {
    fn canonical(&self, out: &mut Vec<u8>) -> Result<(), Failed> {
        self.serialize(Writer(out))
    }
}

/// The canonical JSON of a value, or why there is none.
pub(crate) fn canonical_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    let mut json = Vec::new();
    value.canonical(&mut json).map_err(|failed| failed.to_string())?;
    Ok(json)
}

/// The first 32 hex digits of the SHA-256 of some bytes.
pub(crate) fn digest_of_bytes(bytes: &[u8]) -> String {
    first_half(Sha256::new_with_prefix(bytes))
}

/// The first 32 hex digits of the SHA-256 of the path of a function, a zero byte, and canonical JSON.
pub(crate) fn digest_of_json(path: &str, json: &[u8]) -> String {
    let mut digest = Sha256::new_with_prefix(path.as_bytes());
    digest.update([0]);
    digest.update(json);
    first_half(digest)
}

fn first_half(digest: Sha256) -> String {
    let mut hex = hex::encode(digest.finalize());
    hex.truncate(32);
    hex
}

/// The canonical JSON of an object of named values, or nothing when one of them cannot be serialised.
pub(crate) fn to_json(fields: &[(&str, &dyn Canonical)]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    let mut object = Object::new(&mut out);
    for (name, value) in fields {
        let mut bytes = Vec::new();
        value.canonical(&mut bytes).ok()?;
        object.push((*name).to_owned(), bytes);
    }
    object.finish().ok()?;
    Some(out)
}

/// A value's own `Serialize` has failed.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl ser::Error for Failed {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Failed> {
    serde_json::to_writer(out, value).map_err(|error| Failed(error.to_string()))
}

struct Writer<'a>(&'a mut Vec<u8>);

/// An object under construction: members are kept apart until all are known, then sorted.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    members: Vec<(String, Vec<u8>)>,
    key: Option<String>,
    close: &'static str,
}

impl<'a> Object<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            members: Vec::new(),
            key: None,
            close: "}",
        }
    }

    fn push(&mut self, name: String, value: Vec<u8>) {
        if value != b"null" {
            self.members.push((name, value));
        }
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Failed> {
        let mut bytes = Vec::new();
        value.serialize(Writer(&mut bytes))?;
        self.push(name.to_owned(), bytes);
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failed> {
        self.members.sort();
        self.out.push(b'{');
        for (index, (name, value)) in self.members.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            json(self.out, name)?;
            self.out.push(b':');
            self.out.extend_from_slice(value);
        }
        self.out.extend_from_slice(self.close.as_bytes());
        Ok(())
    }
}

/// An array under construction.
struct Array<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
    close: &'static str,
}

impl<'a> Array<'a> {
    fn new(out: &'a mut Vec<u8>, close: &'static str) -> Self {
        out.push(b'[');
        Self {
            out,
            first: true,
            close,
        }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        value.serialize(Writer(self.out))
    }

    fn finish(self) {
        self.out.extend_from_slice(self.close.as_bytes());
    }
}

macro_rules! scalars {
    ($($name:ident $t:ty),*) => {$(
        fn $name(self, value: $t) -> Result<(), Failed> {
            json(self.0, &value)
        }
    )*};
}

macro_rules! floats {
    ($($name:ident $t:ty),*) => {$(
        fn $name(self, value: $t) -> Result<(), Failed> {
            if value.is_finite() {
                return json(self.0, &value);
            }
            let text = if value.is_nan() { "NaN" } else if value > 0.0 { "Infinity" } else { "-Infinity" };
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    )*};
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = Array<'a>;
    type SerializeTuple = Array<'a>;
    type SerializeTupleStruct = Array<'a>;
    type SerializeTupleVariant = Array<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    scalars!(
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_i128 i128, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_u128 u128, serialize_char char, serialize_str &str
    );
    floats!(serialize_f32 f32, serialize_f64 f64);

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Failed> {
        let mut array = Array::new(self.0, "]");
        for byte in bytes {
            array.push(byte)?;
        }
        array.finish();
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Failed> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failed> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Failed> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Failed> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Failed> {
        json(self.0, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.0.push(b'{');
        json(self.0, variant)?;
        self.0.push(b':');
        value.serialize(Writer(self.0))?;
        self.0.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'a>, Failed> {
        Ok(Array::new(self.0, "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Array<'a>, Failed> {
        Ok(Array::new(self.0, "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'a>, Failed> {
        Ok(Array::new(self.0, "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'a>, Failed> {
        self.0.push(b'{');
        json(self.0, variant)?;
        self.0.push(b':');
        Ok(Array::new(self.0, "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, Failed> {
        Ok(Object::new(self.0))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, Failed> {
        Ok(Object::new(self.0))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, Failed> {
        self.0.push(b'{');
        json(self.0, variant)?;
        self.0.push(b':');
        Ok(Object {
            close: "}}",
            ..Object::new(self.0)
        })
    }
}

macro_rules! arrays {
    ($($trait:ident $method:ident),*) => {$(
        impl $trait for Array<'_> {
            type Ok = ();
            type Error = Failed;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
                self.push(value)
            }
            fn end(self) -> Result<(), Failed> {
                self.finish();
                Ok(())
            }
        }
    )*};
}
arrays!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

macro_rules! objects {
    ($($trait:ident),*) => {$(
        impl $trait for Object<'_> {
            type Ok = ();
            type Error = Failed;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Failed> {
                self.member(name, value)
            }
            fn end(self) -> Result<(), Failed> {
                self.finish()
            }
        }
    )*};
}
objects!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failed> {
        let mut bytes = Vec::new();
        key.serialize(Writer(&mut bytes))?;
        // A key that is no text is named by its JSON.
        let text = serde_json::from_slice::<String>(&bytes)
            .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned());
        self.key = Some(text);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        let name = self.key.take().unwrap_or_default();
        self.member(&name, value)
    }

    fn end(self) -> Result<(), Failed> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn canonical<T: Serialize>(value: &T) -> String {
        let mut out = Vec::new();
        value.canonical(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[derive(Serialize)]
    struct Query {
        text: Option<String>,
        city: &'static str,
        range: (u32, f64),
    }

    #[test]
    fn k6_keys_are_sorted_and_absent_options_left_out() {
        let query = Query {
            text: None,
            city: "Bonn",
            range: (3, 0.5),
        };
        assert_eq!(canonical(&query), r#"{"city":"Bonn","range":[3,0.5]}"#);
        let map: HashMap<_, _> = [("b", 1), ("a", 2), ("c", 3)].into();
        assert_eq!(canonical(&map), r#"{"a":2,"b":1,"c":3}"#);
    }

    #[test]
    fn enums_look_as_serde_json_writes_them() {
        #[derive(Serialize)]
        enum Shape {
            Unit,
            One(u8),
            Two(u8, u8),
            Named { b: u8, a: u8 },
        }
        assert_eq!(canonical(&Shape::Unit), r#""Unit""#);
        assert_eq!(canonical(&Shape::One(1)), r#"{"One":1}"#);
        assert_eq!(canonical(&Shape::Two(1, 2)), r#"{"Two":[1,2]}"#);
        assert_eq!(
            canonical(&Shape::Named { b: 1, a: 2 }),
            r#"{"Named":{"a":2,"b":1}}"#
        );
    }

    #[test]
    fn floats_that_are_no_number_differ_from_null_and_from_texts() {
        assert_eq!(canonical(&[f64::NAN, f64::INFINITY]), "[NaN,Infinity]");
    }
}
