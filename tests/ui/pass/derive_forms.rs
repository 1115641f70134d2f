//! K7: how types that derive `CacheKey` look in keys.
#![deny(warnings)]

use cache_core::{CacheKey, cache_result};

#[derive(CacheKey, Clone, Copy)]
struct LeadId(u64);

#[derive(CacheKey)]
struct City {
    name: String,
}

#[derive(CacheKey)]
struct Range {
    from: u32,
    to: Option<u32>,
}

#[derive(CacheKey)]
struct Pair(LeadId, City);

#[derive(CacheKey)]
struct Everything;

#[derive(CacheKey)]
enum Period {
    AllTime,
    r#In(u32),
    Days { r#from: u32, to: u32 },
    Of(Range),
    Named(&'static str),
}

#[derive(CacheKey)]
enum Never {}

macro_rules! form {
    ($($name:ident $ty:ty),*) => {$(
        #[cache_result(key = "v:{value}")]
        async fn $name(value: $ty) -> u64 {
            let _ = &value;
            1
        }
    )*};
}
form!(lead LeadId, city City, range Range, pair Pair, everything Everything, period Period, never Never);

#[cache_result(key = "v:{values}")]
async fn periods(values: &[Period]) -> usize {
    values.len()
}

#[cache_result(key = "v:{value:hash}:{value}-{value}{value}")]
async fn all_places(value: LeadId) -> u64 {
    value.0
}

fn main() {
    let bonn = |name: &str| City { name: name.to_owned() };
    assert_eq!(lead::key(&LeadId(42)).as_str(), "v:42");
    assert_eq!(city::key(&bonn("Bonn")).as_str(), "v:Bonn");
    assert_eq!(range::key(&Range { from: 1, to: Some(2) }).as_str(), "v:(1,2)");
    assert_eq!(range::key(&Range { from: 1, to: None }).as_str(), "v:(1,%n)");
    assert_eq!(pair::key(&Pair(LeadId(1), bonn("a,b"))).as_str(), "v:(1,a%2Cb)");
    assert_eq!(everything::key(&Everything).as_str(), "v:Everything");
    assert_eq!(period::key(&Period::AllTime).as_str(), "v:AllTime");
    assert_eq!(period::key(&Period::r#In(1)).as_str(), "v:(In,1)");
    assert_eq!(period::key(&Period::Days { from: 1, to: 30 }).as_str(), "v:(Days,1,30)");
    assert_eq!(period::key(&Period::Of(Range { from: 1, to: None })).as_str(), "v:(Of,(1,%n))");
    assert_eq!(period::key(&Period::Named("(AllTime)")).as_str(), "v:(Named,%28AllTime%29)");
    assert_eq!(periods::key(&[Period::AllTime, Period::r#In(1)]).as_str(), "v:(AllTime,(In,1))");
    assert!(all_places::key(&LeadId(7)).as_str().ends_with(":7-7%.7"));
    drop((lead(LeadId(1)), city(bonn("a")), range(Range { from: 1, to: None }), everything(Everything)));
    drop((pair(Pair(LeadId(1), bonn("a"))), period(Period::AllTime), periods(&[]), all_places(LeadId(1))));
    let _ = |value: Never| drop(never(value));
}
