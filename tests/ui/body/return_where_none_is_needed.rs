#![warn(unused_qualifications, unused_parens, unused_braces, unused_results, unused_must_use)]

//@ attribute
async fn get(id: u64) -> std::vec::Vec<u64> {
    let found = std::vec::Vec::from([(id)]);
    if (id == 0) {
        return ({ found });
    }
    std::collections::HashSet::<u64>::new().insert(1);
    Ok::<u64, u64>(1);
    found
}

fn main() {
    drop(get(1));
}
