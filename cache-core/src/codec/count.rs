//! How many elements a value has, from what its `Serialize` says before it writes the first of them.

use serde::ser::{Impossible, Serialize, Serializer};

/// The number of elements of what serialises as a sequence of known length; nothing for anything else.
pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Option<usize> {
    match value.serialize(Counter) {
        Err(Stop(count)) => count,
        Ok(()) => None,
    }
}

struct Counter;

/// Ends the serialisation: all that is wanted is known.
#[derive(Debug)]
struct Stop(Option<usize>);

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("only the length was wanted")
    }
}

impl std::error::Error for Stop {}

impl serde::ser::Error for Stop {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

macro_rules! no_sequence {
    ($($name:ident $t:ty),*) => {$(
        fn $name(self, _: $t) -> Result<(), Stop> {
            Ok(())
        }
    )*};
}

impl Serializer for Counter {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Impossible<(), Stop>;
    type SerializeTuple = Impossible<(), Stop>;
    type SerializeTupleStruct = Impossible<(), Stop>;
    type SerializeTupleVariant = Impossible<(), Stop>;
    type SerializeMap = Impossible<(), Stop>;
    type SerializeStruct = Impossible<(), Stop>;
    type SerializeStructVariant = Impossible<(), Stop>;

    no_sequence!(
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_f32 f32,
        serialize_f64 f64, serialize_char char, serialize_str &str, serialize_bytes &[u8]
    );

    fn serialize_none(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, Stop> {
        Err(Stop(length))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Stop> {
        Err(Stop(None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Stop> {
        Err(Stop(None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Stop> {
        Err(Stop(None))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, Stop> {
        Err(Stop(length))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Stop> {
        Err(Stop(None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Stop> {
        Err(Stop(None))
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn sequences_tell_their_length_and_nothing_else_does() {
        assert_eq!(of(&vec![1, 2, 3]), Some(3));
        assert_eq!(of(&Some(vec!["a"])), Some(1));
        assert_eq!(of(&std::collections::BTreeMap::from([(1, 2)])), Some(1));
        assert_eq!(of("abc"), None);
    }
}
