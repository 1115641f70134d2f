//! The users of an application in SQLite, and how they are asked for: the cache first, then the database, then both caches
//! are told.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use cache_core::{CacheManager, UserIdToUuid, UserUuidToId};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::caches::{Profile, UserProfile};

/// How many users there are.
pub const USERS: u64 = 250;

pub struct Users {
    connection: Mutex<Connection>,
    queries: AtomicU32,
}

/// The UUID of a user of this database.
pub fn uuid_of(id: u64) -> Uuid {
    Uuid::from_u128(u128::from(id) << 64 | 0xC0FFEE)
}

impl Users {
    /// A database of its own, in memory.
    pub fn open() -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection
            .execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, uuid TEXT UNIQUE, name TEXT)")?;
        for id in 1..=USERS {
            let row = params![id.cast_signed(), uuid_of(id).to_string(), format!("user {id}")];
            connection.execute("INSERT INTO users VALUES (?1, ?2, ?3)", row)?;
        }
        Ok(Self {
            connection: Mutex::new(connection),
            queries: AtomicU32::new(0),
        })
    }

    /// How many queries there were.
    pub fn queries(&self) -> u32 {
        self.queries.load(Relaxed)
    }

    // The database is in memory, so a query is short enough to run where it is asked for.
    fn query<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.queries.fetch_add(1, Relaxed);
        query(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of a user.
    pub async fn id_of(&self, cache: &CacheManager, uuid: Uuid) -> anyhow::Result<Option<u64>> {
        if let Some(id) = cache.of::<UserUuidToId>().get(&uuid).await {
            return Ok(Some(id));
        }
        let find = "SELECT id FROM users WHERE uuid = ?1";
        let found = self.query(|db| {
            db.query_row(find, [uuid.to_string()], |row| row.get::<_, i64>(0))
                .optional()
        })?;
        let Some(id) = found.map(i64::cast_unsigned) else {
            return Ok(None);
        };
        cache.of::<UserUuidToId>().set(&uuid, &id).await?;
        cache.of::<UserIdToUuid>().set(&id, &uuid).await?;
        Ok(Some(id))
    }

    /// The numbers of many users. A batch takes a hundred entries; what is not in the cache is asked for at once.
    pub async fn ids_of(&self, cache: &CacheManager, uuids: &[Uuid]) -> anyhow::Result<Vec<u64>> {
        let mut ids = Vec::with_capacity(uuids.len());
        let mut missing = Vec::new();
        for uuids in uuids.chunks(100) {
            let found = cache.of::<UserUuidToId>().get_many(uuids).await?;
            for (uuid, id) in uuids.iter().zip(found) {
                match id {
                    Some(id) => ids.push(id),
                    None => missing.push(*uuid),
                }
            }
        }
        if !missing.is_empty() {
            let all = self.query(|db| {
                let mut all = db.prepare("SELECT id, uuid FROM users")?;
                let rows = all.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
                rows.collect::<Result<Vec<_>, _>>()
            })?;
            let loaded: Vec<(Uuid, u64)> = all
                .into_iter()
                .filter_map(|(id, uuid)| Some((uuid.parse().ok()?, id.cast_unsigned())))
                .filter(|(uuid, _)| missing.contains(uuid))
                .collect();
            for pairs in loaded.chunks(100) {
                cache.of::<UserUuidToId>().set_many(pairs).await?;
            }
            ids.extend(loaded.into_iter().map(|(_, id)| id));
        }
        Ok(ids)
    }

    /// What a page shows of a user.
    pub async fn profile_of(&self, cache: &CacheManager, id: u64) -> anyhow::Result<Option<Profile>> {
        if let Some(profile) = cache.of::<UserProfile>().get(&id).await {
            return Ok(Some(profile));
        }
        let find = "SELECT name FROM users WHERE id = ?1";
        let name: Option<String> = self.query(|db| {
            db.query_row(find, [id.cast_signed()], |row| row.get(0))
                .optional()
        })?;
        let Some(name) = name else { return Ok(None) };
        let email = format!("{}@example.com", name.replace(' ', "."));
        let profile = Profile { name, email };
        cache.of::<UserProfile>().set(&id, &profile).await?;
        Ok(Some(profile))
    }

    /// Gives a user another name. What the caches know of the user goes, in each of them.
    pub async fn rename(&self, cache: &CacheManager, id: u64, name: &str) -> anyhow::Result<()> {
        let change = "UPDATE users SET name = ?2 WHERE id = ?1";
        self.query(|db| db.execute(change, params![id.cast_signed(), name]))?;
        cache.of::<UserProfile>().invalidate(&id).await;
        cache.of::<UserIdToUuid>().invalidate(&id).await;
        cache.of::<UserUuidToId>().invalidate(&uuid_of(id)).await;
        Ok(())
    }
}
