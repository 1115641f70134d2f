//! The tags of a cached function: templates over its arguments.
//!
//! They cover no argument, since two entries may share a tag. The invariant is that a tag is written like the same tag
//! of an invalidator, so that the names are equal.

use super::template::{Scope, resolve};
use crate::errors::Errors;
use crate::model::{Cached, Part};
use crate::template::Flavor;

/// Judges and resolves the tags.
pub(crate) fn plan(cached: &Cached, errors: &mut Errors) -> Vec<Vec<Part>> {
    let scope = Scope {
        function: &cached.function,
        bindings: &cached.bindings,
        has_result: false,
        is_local: false,
    };
    let tags = cached.options.tags.get().into_iter().flatten();
    tags.filter_map(|tag| resolve(tag, Flavor::Tag, &scope, errors))
        .collect()
}
