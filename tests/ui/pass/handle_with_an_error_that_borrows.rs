#![deny(warnings)]

use cache_core::cache_result;

#[derive(Debug)]
struct Rejected<'a>(&'a str);

#[cache_result(key = "checked:{text}")]
async fn checked(text: &str) -> Result<usize, Rejected<'_>> {
    if text.is_empty() { Err(Rejected(text)) } else { Ok(text.len()) }
}

fn main() {
    assert_eq!(checked::key("a").as_str(), "checked:a");
    drop((checked("a"), checked::refresh("a"), checked::invalidate("a")));
    let _ = Rejected("a").0;
}
