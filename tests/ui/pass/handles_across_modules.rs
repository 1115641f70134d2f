#![deny(warnings)]

mod leads {
    use cache_core::{cache_result, invalidate_cache};

    #[cache_result(key = "lead:{lead_id}")]
    pub async fn get_lead(lead_id: u64) -> u64 {
        lead_id
    }

    #[cache_result(key = "inner:{lead_id}")]
    pub(crate) async fn inner(lead_id: u64) -> u64 {
        lead_id
    }

    pub mod deep {
        #[super::cache_result(key = "deep:{id}")]
        pub(in crate::leads) async fn deep(id: u64) -> u64 {
            id
        }
    }

    #[invalidate_cache(get_lead(id), deep::deep(id), self::inner(..))]
    pub async fn forget(id: u64) -> u64 {
        deep::deep(id).await
    }
}

use cache_core::{cache_result, invalidate_cache};
use leads::get_lead;
use leads::inner as renamed;

#[invalidate_cache(get_lead(id), leads::get_lead(id), crate::leads::inner(id), renamed(..))]
async fn update(id: u64) -> u64 {
    #[cache_result(key = "local:{id}")]
    async fn in_a_body(id: u64) -> u64 {
        id
    }
    #[invalidate_cache(in_a_body(id))]
    async fn forget(id: u64) {
        let _ = id;
    }
    forget(id).await;
    in_a_body(id).await
}

fn main() {
    assert_eq!(get_lead::key(&1).as_str(), "lead:1");
    assert_eq!(renamed::key(&1).as_str(), "inner:1");
    drop((get_lead(1), renamed(1), update(1), leads::forget(1), get_lead::invalidate(&1)));
}
