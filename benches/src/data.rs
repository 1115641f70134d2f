//! What is cached: keys, values, and the order in which they are asked for.

use std::sync::LazyLock;

use equivalent::Equivalent;
use serde::{Deserialize, Serialize};

/// The small value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub id: u64,
    pub name: String,
    pub score: f64,
}

/// The value of this id.
pub fn item(id: u64) -> Item {
    Item {
        id,
        name: format!("item {id:>11}"),
        score: (id % 4_096) as f64 / 16.0,
    }
}

/// So many values, from this id on.
pub fn items(id: u64, count: u64) -> Vec<Item> {
    (id..id + count).map(item).collect()
}

/// How many keys there are.
pub const KEYS: usize = 10_000;

/// How many entries a bounded cache may have: enough to evict nothing.
pub const CAPACITY: usize = 4 * KEYS;

/// How long an order of keys is before it starts again; a power of two.
pub const ORDER: usize = 1 << 16;

/// The arguments of the calls.
pub static ARGUMENTS: LazyLock<Vec<(u64, String)>> = LazyLock::new(|| {
    (0..KEYS as u64)
        .map(|n| (n * 6_151 + 17, format!("name-{n:07}")))
        .collect()
});

/// All keys, in turn.
pub static EVERY_KEY: LazyLock<Vec<u32>> = LazyLock::new(|| (0..ORDER).map(|n| (n % KEYS) as u32).collect());

/// The first 256 keys, in turn: they and their values stay in the processor's caches.
pub static FEW_KEYS: LazyLock<Vec<u32>> = LazyLock::new(|| (0..ORDER).map(|n| (n % 256) as u32).collect());

/// Keys drawn from a Zipf distribution with exponent 0.99, the same ones in every run.
pub static ZIPF_KEYS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut sums = Vec::with_capacity(KEYS);
    let mut sum = 0.0;
    for rank in 1..=KEYS {
        sum += (rank as f64).powf(-0.99);
        sums.push(sum);
    }
    // SplitMix64 with a fixed seed.
    let mut state = 42_u64;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut draw = || {
        let point = random() as f64 / u64::MAX as f64 * sum;
        sums.partition_point(|it| *it < point).min(KEYS - 1) as u32
    };
    // Popular keys should not be neighbours in the tables, so that ranks are scattered over the keys.
    (0..ORDER)
        .map(|_| (u64::from(draw()) * 7_919 % KEYS as u64) as u32)
        .collect()
});

/// A key that allocates nothing, and stands for the `(u64, String)` with the same parts.
#[derive(Hash)]
pub struct BorrowedKey<'a>(pub u64, pub &'a str);

impl Equivalent<(u64, String)> for BorrowedKey<'_> {
    fn equivalent(&self, key: &(u64, String)) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}
