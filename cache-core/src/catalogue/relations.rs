//! Which target of which invalidator drops entries of which cached function. It judges nothing. Invariant: a target that
//! is said to drop nothing of a function never does; what is only known at run time counts as dropped.

use super::Catalogue;
use super::language::Language;
use crate::engine::info::{FunctionInfo, KeyForm, TargetInfo};

/// All functions of a catalogue, with the texts that they can give.
pub(super) struct Relations {
    pub(super) cached: Vec<Cached>,
    pub(super) targets: Vec<Target>,
}

/// A cached function.
pub(super) struct Cached {
    pub(super) info: &'static FunctionInfo,
    pub(super) keys: Language,
    tags: Vec<Language>,
}

/// A target of an invalidator.
pub(super) struct Target {
    pub(super) invalidator: &'static FunctionInfo,
    pub(super) info: &'static TargetInfo,
    texts: Option<Language>,
}

impl Relations {
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let cached = catalogue.cached().map(Cached::of).collect();
        let targets = catalogue.invalidators().flat_map(|invalidator| {
            let targets = invalidator.targets().iter();
            targets.map(move |info| Target::of(invalidator, info))
        });
        Self {
            cached,
            targets: targets.collect(),
        }
    }

    /// Whether a target can drop an entry of a function.
    pub(super) fn drops(&self, target: &Target, cached: &Cached) -> bool {
        let texts = target.texts.as_ref();
        match target.info {
            TargetInfo::OfFunction { function, .. } => *function == cached.info,
            TargetInfo::OfMethod { name, .. } => {
                let module = target.invalidator.module();
                // A method of this module is meant if there is one: the type is most often `Self`.
                cached.is_method(name)
                    && (cached.info.module() == module
                        || !self
                            .cached
                            .iter()
                            .any(|other| other.is_method(name) && other.info.module() == module))
            }
            TargetInfo::ByKey(_) | TargetInfo::ByPattern(_) => {
                texts.is_some_and(|texts| texts.common(&cached.keys).is_some())
            }
            TargetInfo::ByTag(_) => {
                texts.is_some_and(|texts| cached.tags.iter().any(|tags| texts.common(tags).is_some()))
            }
        }
    }
}

impl Cached {
    fn of(info: &'static FunctionInfo) -> Self {
        let keys = match info.key_form() {
            KeyForm::Method => Language::of_method(info.module(), info.name(), info.template),
            KeyForm::None | KeyForm::Template | KeyForm::Path => {
                Language::of_template(&info.template(), info.digests().then_some("query_hash"))
            }
        };
        let tags = info.tags().iter().map(|tag| Language::of_template(tag, None));
        Self {
            info,
            keys,
            tags: tags.collect(),
        }
    }

    fn is_method(&self, name: &str) -> bool {
        self.info.is_method() && self.info.name() == name
    }
}

impl Target {
    fn of(invalidator: &'static FunctionInfo, info: &'static TargetInfo) -> Self {
        let texts = match info {
            TargetInfo::OfFunction { .. } | TargetInfo::OfMethod { .. } => None,
            TargetInfo::ByKey(text) | TargetInfo::ByTag(text) => Some(Language::of_template(text, None)),
            TargetInfo::ByPattern(text) => Some(Language::of_pattern(text)),
        };
        Self {
            invalidator,
            info,
            texts,
        }
    }
}
