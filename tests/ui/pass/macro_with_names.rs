#![deny(warnings)]

use cache_core::{cache_result, invalidate, key};

macro_rules! getter {
    ($name:ident($argument:ident: $ty:ty) $template:literal $body:block) => {
        #[cache_result(key = $template, handle = $name)]
        pub(crate) async fn $name($argument: $ty) -> u64 $body
    };
}
getter!(get(id: u64) "get:{id}" { id + 1 });

macro_rules! forget {
    ($id:ident) => {
        invalidate!(get($id), get(..)).await
    };
}

macro_rules! local {
    () => {{
        let id = 3;
        key!("local:{id}")
    }};
}

async fn all(id: u64) {
    forget!(id);
}

fn main() {
    let id = 7;
    assert_eq!(local!().as_str(), "local:3");
    drop((get(id), all(id), get::key(&id)));
}
