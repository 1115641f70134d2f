#![deny(warnings)]

use cache_core::{cache_result, invalidate_cache};

macro_rules! lookup {
    ($name:ident, $forget:ident, $argument:ident: $ty:ty, $key:literal, $ret:ty) => {
        #[cache_result(key = $key)]
        async fn $name($argument: $ty, page: u32) -> $ret {
            Ok(u64::from($argument) + u64::from(page))
        }

        #[invalidate_cache($name($argument, 1_u32), $name(..))]
        async fn $forget($argument: $ty) -> $ret {
            Ok(u64::from($argument))
        }
    };
}

lookup!(users, forget_user, id: u32, "user:{id}:{page}", Result<u64, std::io::Error>);

fn main() {
    assert_eq!(users::key(&1, &2).as_str(), "user:1:2");
    drop((users(1, 2), forget_user(1)));
}
