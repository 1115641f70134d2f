//! What can be part of a key: the trait, and its implementations for the types of the standard library.
//! Floats, maps, pointers and handles are left out on purpose: they have no one text that stands for the value.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::KeyWriter;

/// A value that can be part of a cache key.
///
/// Two values that differ must write different texts; [`KeyWriter`] takes care of escaping. For a type of one's own:
///
/// ```
/// use cache_core::{CacheKey, KeyWriter};
///
/// struct LeadId(u64);
///
/// impl CacheKey for LeadId {
///     fn write_key(&self, out: &mut KeyWriter) {
///         self.0.write_key(out);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "`{Self}` has no canonical key form",
    note = "leave it out of the key: `skip(..)`",
    note = "or name a field that identifies it: `{{argument.field}}`",
    note = "or use a digest of it: `{{argument:hash}}`, for what implements `Serialize`",
    note = "or derive or implement `cache_core::CacheKey` for it"
)]
pub trait CacheKey {
    /// Writes this value as one part of a key.
    fn write_key(&self, out: &mut KeyWriter);
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl CacheKey for $t {
            #[inline]
            fn write_key(&self, out: &mut KeyWriter) {
                out.integer(*self);
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

macro_rules! non_zero {
    ($($t:ident),*) => {$(
        impl CacheKey for std::num::$t {
            fn write_key(&self, out: &mut KeyWriter) {
                out.integer(self.get());
            }
        }
    )*};
}
non_zero!(
    NonZeroU8,
    NonZeroU16,
    NonZeroU32,
    NonZeroU64,
    NonZeroUsize,
    NonZeroI32,
    NonZeroI64
);

impl CacheKey for bool {
    fn write_key(&self, out: &mut KeyWriter) {
        out.text(if *self { "true" } else { "false" });
    }
}

impl CacheKey for char {
    fn write_key(&self, out: &mut KeyWriter) {
        out.text(self.encode_utf8(&mut [0; 4]));
    }
}

impl CacheKey for str {
    #[inline]
    fn write_key(&self, out: &mut KeyWriter) {
        out.text(self);
    }
}

impl CacheKey for String {
    #[inline]
    fn write_key(&self, out: &mut KeyWriter) {
        out.text(self);
    }
}

impl<T: CacheKey + ToOwned + ?Sized> CacheKey for Cow<'_, T> {
    fn write_key(&self, out: &mut KeyWriter) {
        (**self).write_key(out);
    }
}

macro_rules! pointers {
    ($($t:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl<T: CacheKey + ?Sized> CacheKey for $t {
            #[inline]
            fn write_key(&self, out: &mut KeyWriter) {
                (**self).write_key(out);
            }
        }
    )*};
}
pointers!(&T, &mut T, Arc<T>, Rc<T>, Box<T>);

#[diagnostic::do_not_recommend]
impl<T: CacheKey> CacheKey for Option<T> {
    fn write_key(&self, out: &mut KeyWriter) {
        out.optional(self.as_ref());
    }
}

#[diagnostic::do_not_recommend]
impl<T: CacheKey> CacheKey for [T] {
    fn write_key(&self, out: &mut KeyWriter) {
        out.list(self);
    }
}

#[diagnostic::do_not_recommend]
impl<T: CacheKey, const N: usize> CacheKey for [T; N] {
    fn write_key(&self, out: &mut KeyWriter) {
        out.list(self);
    }
}

#[diagnostic::do_not_recommend]
impl<T: CacheKey> CacheKey for Vec<T> {
    fn write_key(&self, out: &mut KeyWriter) {
        out.list(self);
    }
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),*))*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($t: CacheKey),*> CacheKey for ($($t,)*) {
            fn write_key(&self, out: &mut KeyWriter) {
                out.open();
                $(out.item($i, &self.$i);)*
                out.close();
            }
        }
    )*};
}
tuples! { (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }

impl CacheKey for super::Key {
    fn write_key(&self, out: &mut KeyWriter) {
        out.text(self.as_str());
    }
}

impl CacheKey for std::net::IpAddr {
    fn write_key(&self, out: &mut KeyWriter) {
        out.text(&self.to_string());
    }
}

#[cfg(feature = "uuid")]
impl CacheKey for uuid::Uuid {
    fn write_key(&self, out: &mut KeyWriter) {
        out.text(self.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    }
}

#[cfg(feature = "chrono")]
mod dates {
    use super::{CacheKey, KeyWriter};

    macro_rules! debug_forms {
        ($($t:ty),*) => {$(
            impl CacheKey for $t {
                // The debug forms of chrono are ISO 8601 with all the digits that differ from zero.
                fn write_key(&self, out: &mut KeyWriter) {
                    out.text(&format!("{self:?}"));
                }
            }
        )*};
    }
    debug_forms!(
        chrono::NaiveDate,
        chrono::NaiveTime,
        chrono::NaiveDateTime,
        chrono::Weekday,
        chrono::Month
    );

    impl<Z: chrono::TimeZone> CacheKey for chrono::DateTime<Z> {
        // One instant is one key, whatever the zone it is shown in.
        fn write_key(&self, out: &mut KeyWriter) {
            out.text(&format!("{:?}", self.naive_utc()));
        }
    }
}
