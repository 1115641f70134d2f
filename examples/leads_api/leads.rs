//! Leads, and the cached functions that read and write them. All that this service says about caching is in the three
//! attributes here, and in the one of `api` that stores whole responses.

use std::num::NonZeroU32;

use cache_core::{cache_lead_data, cache_search_results, invalidate_cache};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Row, named_params};
use serde::{Deserialize, Serialize};

use crate::db::Db;

/// One lead; key `lead:{lead_id}`, TTL from `LEAD_CACHE_TTL`.
#[cache_lead_data(skip(db))]
pub async fn get_lead(db: &Db, lead_id: u64) -> anyhow::Result<Option<Lead>> {
    // SQLite's integers are signed. An id that is too large for them becomes a negative one, which no lead has.
    let id = lead_id.cast_signed();
    db.run(move |db| db.prepare_cached(FIND)?.query_row([id], lead).optional())
        .await
}

/// One page of the leads whose name, e-mail or company contains a text; key `search:{hash of the arguments}`, TTL from
/// `SEARCH_CACHE_TTL`.
#[cache_search_results(skip(db), popular = text)]
pub async fn search_leads(
    db: &Db,
    text: &str,
    filters: &Filters,
    page: NonZeroU32,
) -> anyhow::Result<Vec<Lead>> {
    let (text, filters) = (text.to_ascii_lowercase(), filters.clone());
    db.run(move |db| {
        let arguments = named_params! {
            ":text": text,
            ":city": filters.city,
            ":status": filters.status,
            ":offset": (i64::from(page.get()) - 1) * PAGE_SIZE,
            ":limit": PAGE_SIZE,
        };
        db.prepare_cached(SEARCH)?.query_map(arguments, lead)?.collect()
    })
    .await
}

/// Changes some fields of a lead. Any search may have found it, or may find it now, so all of their results go, and so does
/// what was made of the lead elsewhere.
#[invalidate_cache(get_lead(lead_id), search_leads(..), tags = ["lead:{lead_id}"])]
pub async fn update_lead(db: &Db, lead_id: u64, changes: Changes) -> anyhow::Result<Option<Lead>> {
    db.run(move |db| {
        let arguments = named_params! {
            ":id": lead_id.cast_signed(),
            ":name": changes.name,
            ":email": changes.email,
            ":company": changes.company,
            ":city": changes.city,
            ":status": changes.status,
        };
        db.prepare_cached(UPDATE)?.query_row(arguments, lead).optional()
    })
    .await
}

const PAGE_SIZE: i64 = 20;

const FIND: &str = "SELECT * FROM leads WHERE id = ?1";

const SEARCH: &str = "
    SELECT * FROM leads
    WHERE (instr(lower(name), :text) OR instr(lower(email), :text) OR instr(lower(company), :text))
        AND (:city IS NULL OR city = :city)
        AND (:status IS NULL OR status = :status)
    ORDER BY id LIMIT :limit OFFSET :offset";

const UPDATE: &str = "
    UPDATE leads SET
        name = coalesce(:name, name),
        email = coalesce(:email, email),
        company = coalesce(:company, company),
        city = coalesce(:city, city),
        status = coalesce(:status, status)
    WHERE id = :id RETURNING *";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lead {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub company: String,
    pub city: String,
    pub status: Status,
}

/// What a search is narrowed by.
#[derive(Debug, Clone, Serialize)]
pub struct Filters {
    pub city: Option<String>,
    pub status: Option<Status>,
}

/// The fields of a lead that are to change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    pub name: Option<String>,
    pub email: Option<String>,
    pub company: Option<String>,
    pub city: Option<String>,
    pub status: Option<Status>,
}

impl Changes {
    /// Why they cannot be made, if they cannot.
    pub fn mistake(&self) -> Option<&'static str> {
        let texts = [&self.name, &self.email, &self.company, &self.city];
        let blank = |text: &String| text.trim().is_empty();
        if texts.iter().all(|text| text.is_none()) && self.status.is_none() {
            return Some("name a field to change: `name`, `email`, `company`, `city` or `status`");
        }
        texts
            .into_iter()
            .flatten()
            .any(blank)
            .then_some("a field cannot be made empty")
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    New,
    Contacted,
    Qualified,
    Won,
    Lost,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::New, Self::Contacted, Self::Qualified, Self::Won, Self::Lost];

    fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Contacted => "contacted",
            Self::Qualified => "qualified",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

impl ToSql for Status {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for Status {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        Self::ALL
            .into_iter()
            .find(|status| status.name() == name)
            .ok_or(FromSqlError::InvalidType)
    }
}

fn lead(row: &Row<'_>) -> rusqlite::Result<Lead> {
    Ok(Lead {
        id: row.get::<_, i64>("id")?.cast_unsigned(),
        name: row.get("name")?,
        email: row.get("email")?,
        company: row.get("company")?,
        city: row.get("city")?,
        status: row.get("status")?,
    })
}
