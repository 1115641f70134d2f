//! A process of its own for tests about the environment: makes the manager that its variables describe, stores five values
//! of 2,000 bytes, calls an annotated function twice, and prints what came of it.

use std::sync::atomic::{AtomicU32, Ordering};

use cache_core::{CacheManager, cache_lead_data};

static RUNS: AtomicU32 = AtomicU32::new(0);

#[cache_lead_data]
async fn get_lead(lead_id: u64) -> u64 {
    RUNS.fetch_add(1, Ordering::Relaxed);
    lead_id
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match CacheManager::from_env().await {
        Ok(manager) => {
            for n in 0..5 {
                let stored = manager.set(format!("probe:{n}"), &"x".repeat(2000)).await;
                assert_eq!(stored, Ok(()));
            }
            println!("made {manager:?} {:?}", manager.health().await);
            println!("default ttl {:?}", manager.default_ttl());
        }
        Err(error) => println!("refused: {error} / {error:?}"),
    }
    // Functions use the environment by themselves, and run whatever it says.
    get_lead(42).await;
    get_lead(42).await;
    println!("runs {}", RUNS.load(Ordering::Relaxed));
}
