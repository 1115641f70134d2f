//! What is wrong with the functions of a program together, which no compiler sees. It decides on templates alone, without
//! a cache. Invariant: an error is about what the attributes say, never about what runs.

use std::fmt;

use super::relations::{Cached, Relations};
use crate::engine::info::{FunctionInfo, TargetInfo};

/// Something that [`check`](super::Catalogue::check) has found. Its `Display` says what, where, and what to do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Finding {
    /// Two functions can have the same key, so that each may find what the other stored.
    SameKey {
        /// One of them.
        one: &'static FunctionInfo,
        /// The other one.
        other: &'static FunctionInfo,
        /// A key that both can have.
        key: String,
    },
    /// A key, pattern or tag of an invalidator that no cached function can have.
    DropsNothing {
        /// The function that names it.
        invalidator: &'static FunctionInfo,
        /// What it names.
        target: &'static TargetInfo,
    },
    /// A cached function that no invalidator drops; its entries go when their TTL is over.
    NeverDropped {
        /// The function.
        function: &'static FunctionInfo,
    },
}

/// How much a [`Finding`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing, and often meant.
    Note,
    /// A mistake.
    Error,
}

impl Finding {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::SameKey { .. } | Self::DropsNothing { .. } => Severity::Error,
            Self::NeverDropped { .. } => Severity::Note,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameKey { one, other, key } => {
                let (first, second) = (one.path(), other.path());
                writeln!(
                    f,
                    "error: `{first}` and `{second}` can have the same key, such as `{key}`"
                )?;
                for function in [one, other] {
                    writeln!(f, "  {}: the key is `{}`", place(function), function.template())?;
                }
                f.write_str("  help: begin the key of one of them with another name")
            }
            Self::DropsNothing { invalidator, target } => {
                let what = match target {
                    TargetInfo::ByTag(_) => "no cached function has such a tag",
                    TargetInfo::ByPattern(_) => "it matches no key of a cached function",
                    TargetInfo::ByKey(_) | TargetInfo::OfFunction { .. } | TargetInfo::OfMethod { .. } => {
                        "no cached function has such a key"
                    }
                };
                let path = invalidator.path();
                writeln!(f, "error: `{path}` drops `{target}`, but {what}")?;
                writeln!(f, "  {}", place(invalidator))?;
                f.write_str(
                    "  help: compare it with the keys and tags in the catalogue, or name the function itself",
                )
            }
            Self::NeverDropped { function } => {
                writeln!(
                    f,
                    "note: no `#[invalidate_cache]` and no `invalidate!` drops entries of `{}`",
                    function.path()
                )?;
                write!(f, "  {}: they go when their TTL is over", place(function))
            }
        }
    }
}

fn place(function: &FunctionInfo) -> String {
    format!("{}:{}", function.file(), function.line())
}

pub(super) fn check(relations: &Relations) -> Vec<Finding> {
    let Relations { cached, targets } = relations;
    let mut findings = Vec::new();
    for (index, one) in cached.iter().enumerate() {
        let others = cached.get(index + 1..).unwrap_or_default();
        findings.extend(others.iter().filter_map(|other| same_key(one, other)));
    }
    for target in targets {
        let by_name = matches!(
            target.info,
            TargetInfo::OfFunction { .. } | TargetInfo::OfMethod { .. }
        );
        // That a function is cached is known to the compiler.
        if !by_name && !cached.iter().any(|cached| relations.drops(target, cached)) {
            findings.push(Finding::DropsNothing {
                invalidator: target.invalidator,
                target: target.info,
            });
        }
    }
    for cached in cached {
        if !targets.iter().any(|target| relations.drops(target, cached)) {
            findings.push(Finding::NeverDropped {
                function: cached.info,
            });
        }
    }
    findings
}

fn same_key(one: &Cached, other: &Cached) -> Option<Finding> {
    // One function that a macro writes several times, for several types, is meant to be there more than once.
    let same = one.info == other.info;
    // The digest of all arguments has the path of the function in it.
    let apart = one.info.digests() && other.info.digests();
    if same || apart {
        return None;
    }
    let key = one.keys.common(&other.keys)?;
    Some(Finding::SameKey {
        one: one.info,
        other: other.info,
        key,
    })
}
