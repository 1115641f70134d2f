//! What can be seen of a type without knowing what its names mean: what is around it, and what it is around. Invariant:
//! parentheses and the groups of macros make no difference.

use proc_macro2::Span;
use syn::{GenericArgument, PathArguments, Type};

use crate::span::first;

/// The type arguments of a path segment, if it has arguments and all are types.
pub(crate) fn generic_types(segment: &syn::PathSegment) -> Option<Vec<&Type>> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments
        .args
        .iter()
        .map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .collect()
}

/// The first type argument of a path segment.
pub(crate) fn first_type_argument(segment: &syn::PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The last segment of a type that is a path.
pub(crate) fn last_segment(ty: Option<&Type>) -> Option<&syn::PathSegment> {
    match ungrouped(ty?) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The type itself, where parentheses or a macro's invisible group stand around it.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        _ => ty,
    }
}

/// What is inside of `Result`, `Option`, `Json` and `Arc`, by their names.
pub(crate) fn value_of(ty: &Type) -> &Type {
    let ty = ungrouped(ty);
    let inner = last_segment(Some(ty)).and_then(|segment| {
        let name = segment.ident.to_string();
        let wraps = name.ends_with("Result") || matches!(name.as_str(), "Option" | "Json" | "Arc");
        first_type_argument(segment).filter(|_| wraps)
    });
    inner.map_or(ty, value_of)
}

/// The token of a type that says most: the last name of a path, behind references.
pub(crate) fn name_in(ty: &Type) -> Span {
    match ungrouped(ty) {
        Type::Reference(reference) => name_in(&reference.elem),
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map_or_else(|| first(ty), |segment| segment.ident.span()),
        ty => first(ty),
    }
}

/// `T` of `Pin<Box<dyn Future<Output = T> + ..>>`.
pub(super) fn output_of_boxed_future(ty: &Type) -> Option<&Type> {
    let pinned = last_segment(Some(ty)).filter(|segment| segment.ident == "Pin")?;
    let boxed = last_segment(first_type_argument(pinned)).filter(|segment| segment.ident == "Box")?;
    let Type::TraitObject(object) = ungrouped(first_type_argument(boxed)?) else {
        return None;
    };
    object.bounds.iter().find_map(|bound| {
        let syn::TypeParamBound::Trait(bound) = bound else {
            return None;
        };
        let future = bound
            .path
            .segments
            .last()
            .filter(|segment| segment.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &future.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
            _ => None,
        })
    })
}
