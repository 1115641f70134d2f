#![deny(warnings)]

use std::borrow::Cow;

use cache_core::cache_result;

struct Db<'c> {
    names: &'c [&'c str],
}

#[cache_result(key = "name:{prefix}:{rest}", skip(db))]
async fn name<'a, 'b: 'a>(db: &'a Db<'b>, prefix: &'a str, rest: &Cow<'_, str>) -> Option<String> {
    let found = db.names.iter().find(|name| name.starts_with(prefix) && name.ends_with(&**rest));
    found.map(|name| (*name).to_owned())
}

impl<'c> Db<'c> {
    #[cache_result(key = "first:{letter}", skip(self))]
    async fn first<'l>(&'l self, letter: &'l char) -> Option<String> {
        self.names.iter().find(|name| name.starts_with(*letter)).map(|name| (*name).to_owned())
    }
}

fn main() {
    assert_eq!(name::key("a", &Cow::Borrowed("b")).as_str(), "name:a:b");
    let db = Db { names: &["ab"] };
    drop((name(&db, "a", &Cow::Borrowed("b")), db.first(&'a')));
}
