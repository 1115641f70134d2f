//! What a type can ask of a deserializer, and the values that are made up for it.
//! The order of the answers is part of the fingerprint where a type asks for anything at all: an answer that is added
//! goes to the end, or every fingerprint of such a type changes.

/// What was asked for. Names of types are left out: JSON does not have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    Any,
    Ignored,
    Identifier,
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    Bytes,
    Unit,
    Option,
    Newtype,
    Seq,
    Tuple(usize),
    Map,
    Struct(&'static [&'static str]),
    Enum(&'static [&'static str]),
}

/// A made-up value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    Unit,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Char(char),
    Str(&'static str),
    Bytes(&'static [u8]),
    /// One element, whatever it is.
    Seq,
    /// The entries that are known to be required.
    Map,
}

const UNIT: &[Answer] = &[Answer::Unit];
const BOOLS: &[Answer] = &[Answer::Bool(true), Answer::Bool(false)];
const CHARS: &[Answer] = &[Answer::Char('a'), Answer::Char('0'), Answer::Char('A')];
const FLOATS: &[Answer] = &[
    Answer::Float(1.0),
    Answer::Float(0.0),
    Answer::Float(0.5),
    Answer::Float(100.0),
];
const NUMBERS: &[Answer] = &[
    Answer::Unsigned(1),
    Answer::Unsigned(0),
    Answer::Unsigned(2),
    Answer::Unsigned(10),
    Answer::Unsigned(100),
    Answer::Signed(-1),
    Answer::Unsigned(2000),
    Answer::Unsigned(1_000_000_000),
];
const BYTES: &[Answer] = &[
    Answer::Bytes(b"a"),
    Answer::Bytes(&[0; 16]),
    Answer::Bytes(&[0; 32]),
    Answer::Bytes(b""),
];
/// The first is taken by plain text and by times alike, which saves a second try with most types.
const TEXTS: &[Answer] = &[
    Answer::Str("1970-01-01T00:00:00Z"),
    Answer::Str("00000000-0000-0000-0000-000000000000"),
    Answer::Str("a"),
    Answer::Str("1970-01-01"),
    Answer::Str("1970-01-01T00:00:00"),
    Answer::Str("1"),
    Answer::Str("127.0.0.1"),
    Answer::Str("::1"),
    Answer::Str("127.0.0.1:80"),
    Answer::Str("[::1]:80"),
    Answer::Str("a@b.cd"),
    Answer::Str("https://a.bc/"),
    Answer::Str("00:00:00"),
    Answer::Str("1s"),
    Answer::Str("1.0.0"),
    Answer::Str("UTC"),
    Answer::Str("EUR"),
    Answer::Str("en"),
    Answer::Str("+14155552671"),
    Answer::Str("0000000000000000000000000000000000000000000000000000000000000000"),
    Answer::Str(""),
];
/// From what few types take to what many do, so that the first that is taken tells much of the type.
const ANYTHING: &[Answer] = &[
    Answer::Bool(true),
    Answer::Float(0.5),
    Answer::Unsigned(u64::MAX),
    Answer::Signed(i64::MIN),
    Answer::Unsigned(u32::MAX as u64),
    Answer::Signed(i32::MIN as i64),
    Answer::Unsigned(u16::MAX as u64),
    Answer::Signed(i16::MIN as i64),
    Answer::Unsigned(u8::MAX as u64),
    Answer::Signed(i8::MIN as i64),
    Answer::Unsigned(1),
    Answer::Str("1970-01-01T00:00:00Z"),
    Answer::Str("00000000-0000-0000-0000-000000000000"),
    Answer::Str("a"),
    Answer::Str("1970-01-01"),
    Answer::Str("127.0.0.1"),
    Answer::Map,
    Answer::Seq,
    Answer::Unit,
];

impl Ask {
    /// What is answered, in the order of trying. Nothing for what is answered by its parts.
    pub(super) fn answers(self) -> &'static [Answer] {
        match self {
            Self::Any => ANYTHING,
            Self::Ignored | Self::Unit => UNIT,
            Self::Bool => BOOLS,
            Self::I8
            | Self::I16
            | Self::I32
            | Self::I64
            | Self::I128
            | Self::U8
            | Self::U16
            | Self::U32
            | Self::U64
            | Self::U128 => NUMBERS,
            Self::F32 | Self::F64 => FLOATS,
            Self::Char => CHARS,
            Self::Identifier | Self::Str => TEXTS,
            Self::Bytes => BYTES,
            Self::Option
            | Self::Newtype
            | Self::Seq
            | Self::Tuple(_)
            | Self::Map
            | Self::Struct(_)
            | Self::Enum(_) => &[],
        }
    }

    /// One byte for each, the same for ever.
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Any => 1,
            Self::Ignored => 2,
            Self::Identifier => 3,
            Self::Bool => 4,
            Self::I8 => 5,
            Self::I16 => 6,
            Self::I32 => 7,
            Self::I64 => 8,
            Self::I128 => 9,
            Self::U8 => 10,
            Self::U16 => 11,
            Self::U32 => 12,
            Self::U64 => 13,
            Self::U128 => 14,
            Self::F32 => 15,
            Self::F64 => 16,
            Self::Char => 17,
            Self::Str => 18,
            Self::Bytes => 19,
            Self::Unit => 20,
            Self::Option => 21,
            Self::Newtype => 22,
            Self::Seq => 23,
            Self::Tuple(_) => 24,
            Self::Map => 25,
            Self::Struct(_) => 26,
            Self::Enum(_) => 27,
        }
    }
}
