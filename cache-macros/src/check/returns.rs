//! Rules on return types, as far as they can be judged by their form.
//!
//! What hides behind an alias is left to the traits of the generated code. The invariant is that nothing is
//! refused here that those traits would accept.

use syn::Type;
use syn::visit::Visit;

use crate::errors::{Errors, Message};
use crate::signature::{Function, first_type_argument, last_segment, ungrouped, value_of};

/// A cached value is named, owned, and something at all.
pub(crate) fn can_be_stored(function: &Function, errors: &mut Errors) {
    is_named(function, errors);
    let ty = function.return_type();
    let value = value_of(&ty);
    if let Type::Reference(reference) = value {
        let shown = shown(&reference.elem);
        let message = Message::new(
            "a cached function cannot return a reference, the cache gives out values of its own",
        )
        .help(format_args!(
            "return an owned value{}",
            owned_form(&reference.elem, &shown)
        ));
        errors.push(message.on(value));
    }
    if is_unit(value) {
        let name = function.name();
        let message = Message::new(format_args!("`{name}` returns nothing that could be cached"))
            .help("return the value to be cached, or remove the attribute");
        errors.push(match &function.signature.output {
            syn::ReturnType::Default => message.on(name),
            syn::ReturnType::Type(..) => message.on(&ty),
        });
    }
}

/// `impl Trait` has no name, so no variable of that type can be declared.
pub(crate) fn is_named(function: &Function, errors: &mut Errors) {
    struct Find<'ast>(Option<&'ast syn::TypeImplTrait>);
    impl<'ast> Visit<'ast> for Find<'ast> {
        fn visit_type_impl_trait(&mut self, found: &'ast syn::TypeImplTrait) {
            self.0.get_or_insert(found);
        }
    }
    let mut find = Find(None);
    let ty = function.return_type();
    find.visit_type(&ty);
    if let Some(found) = find.0 {
        let message = Message::new(format_args!(
            "`{}` cannot return `impl Trait` here, the type must be named",
            function.name()
        ))
        .help("write the type itself, such as `Vec<Lead>` or `Json<Lead>`");
        errors.push(message.on(found));
    }
}

/// Whether the function has nothing that `result` could mean.
pub(crate) fn is_nothing(function: &Function) -> bool {
    is_unit(value_of(&function.return_type()))
}

/// Whether the value is known to be no `Option`. A type with a name of the user's own may be an alias of one.
pub(crate) fn is_never_none(function: &Function) -> bool {
    let ty = function.return_type();
    let mut ty = ungrouped(&ty);
    loop {
        let Some(segment) = last_segment(Some(ty)) else {
            return is_no_path(ty);
        };
        let name = segment.ident.to_string();
        match name.as_str() {
            "Result" | "Json" | "Arc" => match first_type_argument(segment) {
                Some(inner) => ty = ungrouped(inner),
                None => return false,
            },
            _ => return KNOWN_VALUES.contains(&name.as_str()),
        }
    }
}

/// Whether the function is known to have no error. A type with a name of the user's own may be an alias of a `Result`.
pub(crate) fn is_never_an_error(function: &Function) -> bool {
    let ty = function.return_type();
    match last_segment(Some(&ty)) {
        None => is_no_path(ungrouped(&ty)),
        Some(segment) => {
            let name = segment.ident.to_string();
            // A `Result` inside of these is a value like others.
            matches!(name.as_str(), "Option" | "Json" | "Arc" | "Box")
                || KNOWN_VALUES.contains(&name.as_str())
        }
    }
}

fn is_no_path(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Tuple(_) | Type::Array(_) | Type::Slice(_) | Type::Reference(_) | Type::Never(_)
    )
}

/// Names that nobody gives to an alias of an `Option` or a `Result`.
pub(crate) const KNOWN_VALUES: [&str; 24] = [
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f32", "f64", "String", "Vec", "HashMap", "BTreeMap", "HashSet", "BTreeSet", "VecDeque", "Duration",
];

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn shown(ty: &Type) -> String {
    quote::ToTokens::to_token_stream(ty).to_string()
}

fn owned_form(ty: &Type, shown: &str) -> String {
    match ungrouped(ty) {
        Type::Slice(slice) => format!(", such as `Vec<{}>`", self::shown(&slice.elem)),
        Type::Path(_) if shown == "str" => ", such as `String`".to_owned(),
        Type::Path(_) => format!(
            ", such as `{}` or `Arc<{}>`",
            shown.replace(' ', ""),
            shown.replace(' ', "")
        ),
        _ => String::new(),
    }
}
