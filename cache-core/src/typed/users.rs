//! Two caches that many applications need: which number a user's UUID belongs to, and the other way round. They know nothing
//! of users; whoever changes one invalidates both.

use std::time::Duration;

use uuid::Uuid;

use super::CacheNamespace;

/// How long an answer is fresh: users keep their numbers, so this only bounds how long a mistake lasts.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// The number of a user by UUID, under `user:uuid_to_id:{uuid}`, for ten minutes.
///
/// ```
/// use cache_core::{CacheManager, UserIdToUuid, UserUuidToId};
/// # use uuid::Uuid;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cache_core::CacheError> {
/// # let cache = CacheManager::in_memory();
/// let uuid = Uuid::from_u128(7);
/// cache.of::<UserUuidToId>().set(&uuid, &42).await?;
/// cache.of::<UserIdToUuid>().set(&42, &uuid).await?;
/// assert_eq!(cache.of::<UserUuidToId>().get(&uuid).await, Some(42));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UserUuidToId;

impl CacheNamespace for UserUuidToId {
    const NAMESPACE: &'static str = "user:uuid_to_id";
    const TTL: Duration = FRESH;
    type Key = Uuid;
    type Value = u64;
}

/// The UUID of a user by number, under `user:id_to_uuid:{id}`, for ten minutes.
#[derive(Debug)]
pub struct UserIdToUuid;

impl CacheNamespace for UserIdToUuid {
    const NAMESPACE: &'static str = "user:id_to_uuid";
    const TTL: Duration = FRESH;
    type Key = u64;
    type Value = Uuid;
}
