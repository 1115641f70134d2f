//! A few connections to one SQLite file, and the 50,000 leads that are put into a new one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::leads::Status;

const CONNECTIONS: usize = 4;
const LEADS: u32 = 50_000;

/// The database. Clones share their connections.
#[derive(Clone)]
pub struct Db {
    pool: Arc<Pool>,
    /// One for each query that may run, which bounds the connections.
    permits: Arc<Semaphore>,
}

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Db {
    /// Opens a database file, and fills it when it is new.
    pub async fn open(path: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let pool = Pool {
            path: path.into(),
            idle: Mutex::default(),
        };
        let db = Self {
            pool: Arc::new(pool),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        };
        db.run(fill).await?;
        Ok(db)
    }

    /// Runs a query where it may block.
    pub async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await?;
        let pool = Arc::clone(&self.pool);
        spawn_blocking(move || {
            let _permit = permit;
            let mut connection = pool.take()?;
            let result = query(&mut connection);
            pool.idle().push(connection);
            Ok(result?)
        })
        .await?
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        if let Some(connection) = self.idle().pop() {
            return Ok(connection);
        }
        let connection = Connection::open(&self.path)?;
        // Readers and the writer do not wait for each other then.
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        Ok(connection)
    }
}

/// Makes the table and its leads in one transaction, so that a start that is interrupted leaves none of it.
fn fill(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        transaction.execute_batch(
            "CREATE TABLE leads (
                id INTEGER PRIMARY KEY,
                name TEXT NOT NULL,
                email TEXT NOT NULL,
                company TEXT NOT NULL,
                city TEXT NOT NULL,
                status TEXT NOT NULL
            );
            PRAGMA user_version = 1;",
        )?;
        insert_leads(&transaction)?;
    }
    transaction.commit()
}

/// The same leads in every database.
fn insert_leads(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare("INSERT INTO leads VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut dice = Dice(1);
    for id in 1..=LEADS {
        let (first, last, company) = (
            dice.pick(&FIRST_NAMES),
            dice.pick(&LAST_NAMES),
            dice.pick(&COMPANIES),
        );
        let email = format!("{first}.{last}{id}@{company}.example").to_lowercase();
        insert.execute(params![
            id,
            format!("{first} {last}"),
            email,
            company,
            dice.pick(&CITIES),
            dice.pick(&Status::ALL),
        ])?;
    }
    Ok(())
}

/// Xorshift: numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn pick<T: Copy, const N: usize>(&mut self, among: &[T; N]) -> T {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        among[(self.0 % N as u64) as usize]
    }
}

const FIRST_NAMES: [&str; 20] = [
    "Ada",
    "Alan",
    "Barbara",
    "Bjarne",
    "Dennis",
    "Donald",
    "Edsger",
    "Frances",
    "Grace",
    "Hedy",
    "Jean",
    "John",
    "Katherine",
    "Ken",
    "Leslie",
    "Margaret",
    "Niklaus",
    "Radia",
    "Shafi",
    "Tony",
];
const LAST_NAMES: [&str; 20] = [
    "Allen", "Bauer", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Hopper", "Ivanov", "Jensen",
    "Kowalski", "Larsen", "Moreau", "Novak", "Okafor", "Perez", "Rossi", "Silva", "Tanaka", "Weber",
];
const COMPANIES: [&str; 12] = [
    "Acme",
    "Borealis",
    "Cobalt",
    "Driftwood",
    "Ember",
    "Fjord",
    "Granite",
    "Harbor",
    "Indigo",
    "Juniper",
    "Kestrel",
    "Lantern",
];
const CITIES: [&str; 12] = [
    "Amsterdam",
    "Berlin",
    "Copenhagen",
    "Dublin",
    "Edinburgh",
    "Florence",
    "Geneva",
    "Hamburg",
    "Istanbul",
    "Krakow",
    "Lisbon",
    "Madrid",
];
