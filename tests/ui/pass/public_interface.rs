//! A library with documentation for all that is public.
#![deny(warnings)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unnameable_types, rustdoc::all)]
#![forbid(unsafe_code)]

use cache_core::{CacheKey, cache_impl, cache_result, invalidate_cache};

/// Things that are cached.
pub mod api {
    use super::{CacheKey, cache_impl, cache_result, invalidate_cache};

    /// A name.
    #[derive(Debug, Clone, CacheKey)]
    pub struct Name(String);

    /// Looks up a name, as [`get`] does.
    #[cache_result(key = "get:{name}")]
    pub async fn get(name: &Name) -> Option<u64> {
        Some(name.0.len() as u64)
    }

    /// Something that is stored.
    pub trait Store {
        /// Loads it.
        fn load(&self, id: u64) -> impl Future<Output = u64> + Send;
    }

    /// A store.
    #[derive(Debug, Clone, Copy)]
    pub struct Pg;

    #[cache_impl]
    impl Store for Pg {
        #[cache_result(skip(self))]
        async fn load(&self, id: u64) -> u64 {
            id
        }
    }

    #[cache_impl]
    impl Pg {
        /// Finds it.
        #[cache_result(key = "find:{id}")]
        pub async fn find(id: u64) -> u64 {
            id
        }

        /// Forgets it.
        #[invalidate_cache(Self::load(id), Self::find(id))]
        pub async fn forget(self, id: u64) -> u64 {
            id
        }
    }
}

fn main() {}
