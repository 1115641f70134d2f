#![deny(warnings)]

use cache_core::{cache_impl, cache_result};

macro_rules! store {
    ($ty:ident, $key:literal) => {
        struct $ty;

        #[cache_impl]
        impl $ty {
            #[cache_result(key = $key)]
            async fn find(id: u64) -> u64 {
                id
            }

            #[cache_result(key = $key, skip(self))]
            async fn get(&self, id: u64) -> u64 {
                id
            }
        }
    };
}
store!(A, "a:{id}");
store!(B, "b:{id}");

fn main() {
    drop((A.get(1), A::find(1), B.get(1), B::find(1)));
}
