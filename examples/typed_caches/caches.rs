//! The caches of this application that the library does not have: each says what its keys and values are.

use std::error::Error;
use std::time::Duration;

use cache_core::CacheNamespace;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The user that a session belongs to. Its values are plain text in Redis.
pub struct SessionToken;

impl CacheNamespace for SessionToken {
    const NAMESPACE: &'static str = "session:token";
    /// Sessions end at any time.
    const TTL: Duration = Duration::from_secs(300);
    type Key = String;
    type Value = Uuid;

    fn encode(user: &Uuid) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        Ok(user.to_string().into_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Uuid, Box<dyn Error + Send + Sync>> {
        Ok(std::str::from_utf8(bytes)?.parse()?)
    }
}

/// What a page shows of a user, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub name: String,
    pub email: String,
}

/// The profile of a user by number.
pub struct UserProfile;

impl CacheNamespace for UserProfile {
    const NAMESPACE: &'static str = "user:profile";
    /// Whoever changes a profile invalidates it; this bounds how long a forgotten one lasts.
    const TTL: Duration = Duration::from_secs(600);
    type Key = u64;
    type Value = Profile;
}
