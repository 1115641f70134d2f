//! K7: type parameters, lifetimes, clauses, defaults, unsized fields, types that hold themselves.
#![deny(warnings)]

use std::borrow::Cow;

use cache_core::{CacheKey, cache_result};

mod platform {
    pub mod caching {
        pub use cache_core::{CacheKey, KeyWriter, __private};
    }
}

#[derive(CacheKey)]
struct Page<'a, T: Copy = u8, const N: usize = 2>
where
    T: Ord,
{
    text: Cow<'a, str>,
    r#type: [T; N],
    rest: &'a [&'a str],
}

#[derive(CacheKey)]
struct Tail<T: ?Sized> {
    id: u8,
    tail: T,
}

#[derive(CacheKey)]
struct Whole<T: ?Sized>(T);

#[derive(CacheKey)]
enum Tree<K, V> {
    Leaf,
    Node(Box<Tree<K, V>>, (K, V), Box<Self>),
}

#[derive(CacheKey)]
#[cache_key(crate = "crate::platform::caching")]
struct Elsewhere<T>(T, T);

#[cache_result(key = "page:{page}")]
async fn page<T: Copy + Ord + CacheKey>(page: Page<'_, T>) -> usize {
    page.text.len()
}

#[cache_result(key = "tail:{tail}:{whole}")]
async fn tail(tail: &Tail<str>, whole: &Whole<[u8]>) -> usize {
    tail.tail.len() + whole.0.len() + usize::from(tail.id)
}

#[cache_result(key = "tree:{tree}:{pair}")]
async fn tree(tree: Tree<u8, String>, pair: Elsewhere<bool>) -> u64 {
    drop(tree);
    u64::from(pair.0 && pair.1)
}

fn main() {
    let first = Page { text: "a".into(), r#type: [1u8, 2], rest: &["x", "y"] };
    assert_eq!(page::key(&first).as_str(), "page:(a,(1,2),(x,y))");
    let node = Tree::Node(Box::new(Tree::Leaf), (1, "a".to_owned()), Box::new(Tree::Leaf));
    assert_eq!(tree::key(&node, &Elsewhere(true, false)).as_str(), "tree:(Node,Leaf,(1,a),Leaf):(true,false)");
    let whole = Box::new(Whole([1u8, 2]));
    let whole: Box<Whole<[u8]>> = whole;
    let _ = |other: &Tail<str>| (tail::key(other, &whole), drop(tail(other, &whole)));
    drop((page(first), tree(node, Elsewhere(true, true))));
}
