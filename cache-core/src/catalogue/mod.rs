//! The catalogue of all annotated functions of the program, and what can be said of them together. It holds no entries
//! and changes nothing. Invariant: it is the same in every run of a program, and its order is that of the paths.

mod finding;
mod graph;
mod language;
mod relations;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

pub use finding::{Finding, Severity};
pub use graph::Graph;

use crate::config::ttl_variable;
use crate::engine::Tier;
use crate::engine::info::{FunctionInfo, KeyForm};
use crate::engine::site;
use relations::Relations;

/// The catalogue of all annotated functions that are linked into this program, those of its dependencies included.
///
/// Functions add themselves when they are linked, before `main` runs and whether they are called or not. One that a `cfg`
/// leaves out is not there.
///
/// ```standalone_crate
/// # #[cfg(feature = "macros")] {
/// use cache_core::{cache_result, invalidate_cache};
///
/// #[cache_result(key = "user:{id}", ttl = "10m")]
/// async fn user(id: u64) -> String {
///     format!("user {id}")
/// }
///
/// #[invalidate_cache(user(id))]
/// async fn rename(id: u64, name: &str) {
///     # let _ = name;
/// }
///
/// let catalogue = cache_core::catalogue();
/// assert_eq!(catalogue.functions().len(), 2);
/// println!("{catalogue}");             // a table
/// println!("{}", catalogue.graph());   // who invalidates whom
/// catalogue.assert_sound();            // in a test: nothing is wrong
/// # }
/// ```
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue::of(site::registered().collect()))
}

/// All annotated functions of a program; see [`catalogue`]. Its `Display` is a table in Markdown.
#[derive(Debug)]
pub struct Catalogue {
    rows: Vec<&'static FunctionInfo>,
}

impl Catalogue {
    fn of(mut rows: Vec<&'static FunctionInfo>) -> Self {
        rows.sort_by_key(|row| (row.path(), row.place(), !row.is_cached()));
        Self { rows }
    }

    /// All annotated functions, by their paths: cached ones, and what only invalidates.
    pub fn functions(&self) -> &[&'static FunctionInfo] {
        &self.rows
    }

    /// The functions that are cached.
    pub fn cached(&self) -> impl Iterator<Item = &'static FunctionInfo> + '_ {
        self.rows.iter().copied().filter(|row| row.is_cached())
    }

    /// The functions that invalidate, and each [`invalidate!`](macro@crate::invalidate) in a body, under the path of its module
    /// and that name.
    pub fn invalidators(&self) -> impl Iterator<Item = &'static FunctionInfo> + '_ {
        self.rows.iter().copied().filter(|row| !row.is_cached())
    }

    /// Who invalidates whom.
    pub fn graph(&self) -> Graph {
        Graph::of(&Relations::of(self))
    }

    /// What is wrong with these functions together, and what is worth knowing; errors first.
    ///
    /// Errors are two cached functions that can have the same key, and keys, patterns and tags of `#[invalidate_cache]` and
    /// [`invalidate!`](macro@crate::invalidate) that no cached function can have. A note is a cached function that neither drops.
    ///
    /// What is done through a [`CacheManager`](crate::CacheManager), with keys that are written by hand, is not in the
    /// catalogue. Where an attribute drops such keys, let the test leave that finding out:
    ///
    /// ```standalone_crate
    /// use cache_core::{Finding, Severity};
    ///
    /// let mut findings = cache_core::catalogue().check();
    /// findings.retain(|finding| match finding {
    ///     Finding::DropsNothing { target, .. } => !target.to_string().starts_with("\"session:"),
    ///     finding => finding.severity() == Severity::Error,
    /// });
    /// assert!(findings.is_empty());
    /// ```
    pub fn check(&self) -> Vec<Finding> {
        finding::check(&Relations::of(self))
    }

    /// For a test of a program: there are no errors in it. Notes are no reason to fail.
    ///
    /// ```standalone_crate
    /// cache_core::catalogue().assert_sound();
    /// ```
    ///
    /// # Panics
    ///
    /// With all errors that [`check`](Self::check) finds, if there are any.
    #[track_caller]
    pub fn assert_sound(&self) {
        let errors: Vec<String> = self
            .check()
            .iter()
            .filter(|finding| finding.severity() == Severity::Error)
            .map(ToString::to_string)
            .collect();
        assert!(
            errors.is_empty(),
            "the cached functions of this program do not fit together:\n\n{}\n",
            errors.join("\n\n")
        );
    }
}

impl fmt::Display for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| cached function | place | key | fresh for | tags | value | options |\n")?;
        f.write_str("|---|---|---|---|---|---|---|\n")?;
        for row in self.cached() {
            writeln!(
                f,
                "| {} | {}:{} | {} | {} | {} | {} | {} |",
                code(row.path()),
                row.file(),
                row.line(),
                code(&row.template()),
                freshness(row),
                row.tags()
                    .iter()
                    .map(|tag| code(tag))
                    .collect::<Vec<_>>()
                    .join(", "),
                code(row.value()),
                options(row),
            )?;
        }
        if self.invalidators().next().is_none() {
            return Ok(());
        }
        f.write_str("\n| invalidator | place | drops |\n|---|---|---|\n")?;
        for row in self.invalidators() {
            let targets: Vec<String> = row
                .targets()
                .iter()
                .map(|target| code(&target.to_string()))
                .collect();
            writeln!(
                f,
                "| {} | {}:{} | {} |",
                code(row.path()),
                row.file(),
                row.line(),
                targets.join(", ")
            )?;
        }
        Ok(())
    }
}

/// Code in a cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn freshness(row: &FunctionInfo) -> String {
    match (row.ttl(), row.key_form()) {
        _ if row.has_computed_ttl() => "computed".to_owned(),
        (Some(ttl), _) => duration(ttl),
        (None, KeyForm::Method) => "by environment".to_owned(),
        (None, _) => {
            let template = row.template();
            let namespace = template.split(':').next().unwrap_or_default();
            format!("`{}`", ttl_variable(namespace))
        }
    }
}

fn options(row: &FunctionInfo) -> String {
    let tier = match row.tier() {
        Tier::Both => None,
        Tier::Memory => Some("memory".to_owned()),
        Tier::Redis => Some("redis".to_owned()),
    };
    let version = (row.version() > 0).then(|| row.version().to_string());
    let part = |part: Option<f64>| part.map(|part| part.to_string());
    let all = [
        ("each", row.each().map(str::to_owned)),
        ("tier", tier),
        ("version", version),
        ("none_ttl", row.none_ttl().map(duration)),
        ("stale_if_error", row.stale_if_error().map(duration)),
        (
            "stale_while_revalidate",
            row.stale_while_revalidate().map(duration),
        ),
        ("refresh_ahead", part(row.refresh_ahead())),
        ("soft_timeout", row.soft_timeout().map(duration)),
        ("hard_timeout", row.hard_timeout().map(duration)),
        ("jitter", part(row.jitter())),
    ];
    let given = all
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} = {}", value?)));
    given.collect::<Vec<_>>().join(", ")
}

/// As an attribute would have it: `2h5m`.
fn duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let parts = units.map(|(unit, millis)| {
        let count = rest / millis;
        rest %= millis;
        if count > 0 {
            format!("{count}{unit}")
        } else {
            String::new()
        }
    });
    parts.concat()
}
