//! The deserializer that a type is run against: it notes each question and answers with what the trace says.
//! Nothing here decides; the methods are compiled for every type, so they are short.

use std::any::type_name;
use std::cell::RefCell;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::ask::{Answer, Ask};
use super::refusal::Refusal;
use super::trace::{Edge, Frame, Trace};

/// One place of the value.
#[derive(Clone, Copy)]
pub(super) struct Tracer<'t> {
    trace: &'t RefCell<Trace>,
    parent: usize,
    edge: Edge,
}

impl<'t> Tracer<'t> {
    /// The place of the whole value.
    pub(super) fn whole(trace: &'t RefCell<Trace>) -> Self {
        Self {
            trace,
            parent: 0,
            edge: Edge::Inside,
        }
    }

    fn at(self, frame: Frame, edge: Edge) -> Self {
        Self {
            trace: self.trace,
            parent: frame.id,
            edge,
        }
    }

    fn enter(self, ask: Ask, visitor: &'static str) -> Result<Frame, Refusal> {
        self.trace
            .borrow_mut()
            .enter(self.parent, self.edge, ask, visitor)
    }

    fn leave<T>(self, frame: Frame, result: Result<T, Refusal>) -> Result<T, Refusal> {
        let refusal = self
            .trace
            .borrow_mut()
            .leave(frame, result.as_ref().err().copied());
        match refusal {
            Some(refusal) => Err(refusal),
            None => result,
        }
    }

    /// The value of this place, for the container around it.
    fn part<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        let mark = self.trace.borrow().mark();
        let result = seed.deserialize(self);
        let refusal =
            self.trace
                .borrow_mut()
                .part(self.parent, self.edge, mark, result.as_ref().err().copied());
        match refusal {
            Some(refusal) => Err(refusal),
            None => result,
        }
    }

    fn single<'de, V: Visitor<'de>>(self, ask: Ask, visitor: V) -> Result<V::Value, Refusal> {
        let frame = self.enter(ask, "")?;
        let answer = self.trace.borrow().answer(frame);
        let result = match answer {
            Answer::Unit => visitor.visit_unit(),
            Answer::Bool(value) => visitor.visit_bool(value),
            Answer::Unsigned(value) => visitor.visit_u64(value),
            Answer::Signed(value) => visitor.visit_i64(value),
            Answer::Float(value) => visitor.visit_f64(value),
            Answer::Char(value) => visitor.visit_char(value),
            Answer::Str(value) => visitor.visit_str(value),
            Answer::Bytes(value) => visitor.visit_bytes(value),
            Answer::Seq => visitor.visit_seq(Elements {
                place: self,
                frame,
                edges: vec![Edge::Element].into_iter(),
            }),
            Answer::Map => visitor.visit_map(self.entries(frame)),
        };
        self.leave(frame, result)
    }

    fn entries(self, frame: Frame) -> Entries<'t> {
        let edges = self.trace.borrow().entries(frame);
        Entries {
            place: self,
            frame,
            edges: edges.into_iter(),
            current: None,
        }
    }

    fn elements<'de, V: Visitor<'de>>(
        self,
        frame: Frame,
        edges: Vec<Edge>,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.leave(
            frame,
            visitor.visit_seq(Elements {
                place: self,
                frame,
                edges: edges.into_iter(),
            }),
        )
    }

    fn fields<'de, V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let frame = self.enter(Ask::Struct(fields), name)?;
        let edges = self.trace.borrow_mut().fields(frame.id, fields);
        let result = visitor.visit_map(Entries {
            place: self,
            frame,
            edges: edges.into_iter(),
            current: None,
        });
        self.leave(frame, result)
    }

    fn tuple<'de, V: Visitor<'de>>(
        self,
        length: usize,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let frame = self.enter(Ask::Tuple(length), name)?;
        // The limit on places ends a longer one.
        let edges = (0..length.min(1 << 16)).map(Edge::Index).collect();
        self.elements(frame, edges, visitor)
    }
}

macro_rules! singles {
    ($($name:ident $ask:ident),*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            self.single(Ask::$ask, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Refusal;

    singles!(
        deserialize_any Any, deserialize_ignored_any Ignored, deserialize_identifier Identifier,
        deserialize_bool Bool, deserialize_i8 I8, deserialize_i16 I16, deserialize_i32 I32, deserialize_i64 I64,
        deserialize_i128 I128, deserialize_u8 U8, deserialize_u16 U16, deserialize_u32 U32, deserialize_u64 U64,
        deserialize_u128 U128, deserialize_f32 F32, deserialize_f64 F64, deserialize_char Char,
        deserialize_str Str, deserialize_string Str, deserialize_bytes Bytes, deserialize_byte_buf Bytes,
        deserialize_unit Unit
    );

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.single(Ask::Unit, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let frame = self.enter(Ask::Option, type_name::<V>())?;
        let result = if Trace::is_some(frame) {
            visitor.visit_some(self.at(frame, Edge::Inside))
        } else {
            visitor.visit_none()
        };
        self.leave(frame, result)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let frame = self.enter(Ask::Newtype, type_name::<V>())?;
        self.leave(frame, visitor.visit_newtype_struct(self.at(frame, Edge::Inside)))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let frame = self.enter(Ask::Seq, type_name::<V>())?;
        self.elements(frame, vec![Edge::Element; Trace::length(frame)], visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.tuple(length, type_name::<V>(), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.tuple(length, type_name::<V>(), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let frame = self.enter(Ask::Map, type_name::<V>())?;
        self.leave(frame, visitor.visit_map(self.entries(frame)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.fields(fields, type_name::<V>(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let frame = self.enter(Ask::Enum(variants), type_name::<V>())?;
        let variant = self.trace.borrow().variant(frame);
        let result = match variant {
            Some(name) => visitor.visit_enum(Variant {
                place: self.at(frame, Edge::Variant(name)),
                name,
            }),
            None => Err(Refusal::Stuck),
        };
        self.leave(frame, result)
    }
}

/// The elements of a sequence or a tuple.
struct Elements<'t> {
    place: Tracer<'t>,
    frame: Frame,
    edges: std::vec::IntoIter<Edge>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        match self.edges.next() {
            Some(edge) => self.place.at(self.frame, edge).part(seed).map(Some),
            None => Ok(None),
        }
    }
}

/// The entries of a map or the fields of a struct.
struct Entries<'t> {
    place: Tracer<'t>,
    frame: Frame,
    edges: std::vec::IntoIter<Edge>,
    current: Option<Edge>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        self.current = self.edges.next();
        match self.current {
            None => Ok(None),
            Some(edge @ (Edge::Field(name) | Edge::Found(_, name))) => {
                self.place.trace.borrow_mut().give(self.frame.id, edge);
                let name: StrDeserializer<'_, Refusal> = name.into_deserializer();
                let key = seed.deserialize(name).map_err(|_| {
                    // The name of the field is known to the type, but not taken as one.
                    self.place.trace.borrow_mut().give_up(self.frame.id, edge)
                })?;
                Ok(Some(key))
            }
            Some(_) => self.place.at(self.frame, Edge::Key).part(seed).map(Some),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        match self.current {
            Some(edge) => self.place.at(self.frame, edge).part(seed),
            None => Err(Refusal::Stuck),
        }
    }
}

/// A variant of an enum: its name, then what it contains.
struct Variant<'t> {
    place: Tracer<'t>,
    name: &'static str,
}

impl<'de, 't> EnumAccess<'de> for Variant<'t> {
    type Error = Refusal;
    type Variant = Tracer<'t>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Tracer<'t>), Refusal> {
        let name: StrDeserializer<'_, Refusal> = self.name.into_deserializer();
        // A name that is refused leaves the others to be tried.
        let value = seed.deserialize(name).map_err(|_| Refusal::Stuck)?;
        Ok((value, self.place))
    }
}

impl<'de> VariantAccess<'de> for Tracer<'_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        let frame = self.enter(Ask::Unit, "")?;
        self.leave(frame, Ok(()))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        let frame = self.enter(Ask::Newtype, "")?;
        self.leave(frame, self.at(frame, Edge::Inside).part(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.tuple(length, "", visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.fields(fields, "", visitor)
    }
}
