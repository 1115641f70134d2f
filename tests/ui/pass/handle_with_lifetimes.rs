#![deny(warnings)]

use std::borrow::Cow;

use cache_core::cache_result;

#[cache_result(key = "words:{text}:{other}:{third}", skip(db))]
async fn words<'a, 'b: 'a>(db: &'b str, text: &'a str, other: Cow<'b, str>, third: &[&str]) -> Vec<String> {
    vec![db.to_owned(), text.to_owned(), other.into_owned(), third.join(" ")]
}

async fn all(db: &str) {
    let text = String::new();
    words::put(&text, &Cow::Borrowed("a"), &[&text], vec![]).await;
    let _: Option<Vec<String>> = words::peek(&text, &Cow::Borrowed("a"), &["b"]).await;
    let _ = words::refresh(db, &text, Cow::Borrowed("a"), &["b"]).await;
    let _ = words(db, &text, Cow::Borrowed("a"), &[]).await;
}

fn main() {
    drop(all(""));
}
