#![deny(warnings)]

use cache_core::{cache_result, invalidate_cache};

macro_rules! table {
    ($name:ident, $forget:ident, $id:ty, $row:ty, $key:literal) => {
        #[cache_result(key = $key)]
        async fn $name(id: $id) -> Result<Option<$row>, String> {
            Ok(Some(<$row>::from(id)))
        }

        #[invalidate_cache($name(id), $name(..))]
        async fn $forget(id: $id) -> $id {
            id
        }
    };
}
table!(users, forget_user, u32, u64, "user:{id}");
table!(names, forget_name, String, std::sync::Arc<str>, "name:{id}");

fn main() {
    drop((users(1), forget_user(1), users::peek(&1), users::put(&1, 2)));
    drop((forget_name(String::new()), names("a".to_owned()), names::invalidate("a")));
}
