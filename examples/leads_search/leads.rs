//! Leads in SQLite, and the functions over them with their attributes.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use cache_core::{cache_lead_data, cache_result, cache_search_results, invalidate_cache};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    pub id: u64,
    pub name: String,
    pub city: String,
}

/// What a search is narrowed by.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filters {
    pub city: Option<String>,
}

/// A lead by number; key `lead:{lead_id}`, TTL from `LEAD_CACHE_TTL`.
#[cache_lead_data(skip(db))]
pub async fn get_lead(db: &Db, lead_id: u64) -> anyhow::Result<Option<Lead>> {
    db.query(|db| {
        db.query_row("SELECT * FROM leads WHERE id = ?1", [lead_id.cast_signed()], lead)
            .optional()
    })
}

/// Leads whose name has a text in it; key `search:{hash of the arguments}`, TTL from `SEARCH_CACHE_TTL`.
#[cache_search_results(skip(db), popular = text)]
pub async fn search_leads(db: &Db, text: &str, filters: &Filters) -> anyhow::Result<Vec<Lead>> {
    db.query(|db| {
        let find =
            "SELECT * FROM leads WHERE instr(lower(name), ?1) AND (?2 IS NULL OR city = ?2) ORDER BY id";
        let mut find = db.prepare(find)?;
        find.query_map((text, &filters.city), lead)?.collect()
    })
}

/// How many leads there are in a city; key `analytics:{city}`, TTL from `ANALYTICS_TTL`.
#[cache_result("analytics", |city| city.to_owned(), skip(db))]
pub async fn count_leads(db: &Db, city: &str) -> anyhow::Result<u64> {
    let count = "SELECT count(*) FROM leads WHERE city = ?1";
    db.query(|db| db.query_row(count, [city], |row| row.get::<_, i64>(0)))
        .map(i64::cast_unsigned)
}

/// Moves a lead. Any search may have found it, and both counts change.
#[invalidate_cache(get_lead(lead_id), search_leads(..), count_leads(..))]
pub async fn move_lead(db: &Db, lead_id: u64, city: &str) -> anyhow::Result<()> {
    let change = "UPDATE leads SET city = ?2 WHERE id = ?1";
    db.query(|db| db.execute(change, (lead_id.cast_signed(), city)))?;
    Ok(())
}

/// The database, in memory, and how often it was asked.
pub struct Db {
    connection: Mutex<Connection>,
    queries: AtomicU32,
}

impl Db {
    /// A database with a few leads.
    pub fn open() -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(
            "CREATE TABLE leads (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
            INSERT INTO leads (name, city) VALUES
                ('Ada Lovelace', 'London'), ('Alan Turing', 'London'), ('Grace Hopper', 'New York'),
                ('Konrad Zuse', 'Berlin'), ('Emmy Noether', 'Erlangen'), ('Edsger Dijkstra', 'Austin');",
        )?;
        Ok(Self {
            connection: Mutex::new(connection),
            queries: AtomicU32::new(0),
        })
    }

    /// How many queries there were.
    pub fn queries(&self) -> u32 {
        self.queries.load(Relaxed)
    }

    // The database is small and in memory, so a query is short enough to run where it is asked for.
    fn query<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> anyhow::Result<T> {
        self.queries.fetch_add(1, Relaxed);
        Ok(query(
            &self.connection.lock().unwrap_or_else(PoisonError::into_inner),
        )?)
    }

    /// Names that begin with a text.
    pub async fn names(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        self.query(|db| {
            let mut find = db.prepare("SELECT name FROM leads WHERE name LIKE ?1 || '%' ORDER BY name")?;
            find.query_map([prefix], |row| row.get(0))?.collect()
        })
    }
}

fn lead(row: &Row<'_>) -> rusqlite::Result<Lead> {
    Ok(Lead {
        id: row.get::<_, i64>("id")?.cast_unsigned(),
        name: row.get("name")?,
        city: row.get("city")?,
    })
}
