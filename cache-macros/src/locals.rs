//! The code around a macro, as far as one can know it: the local variables that its templates name.
//!
//! Whether they exist is for rustc to find. The invariant is that a name has the hygiene of the literal it stands in.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{LitStr, Token};

use crate::attr::{InvalidateOptions, Slot, Target, parse_target};
use crate::crate_path::CratePath;
use crate::errors::Message;
use crate::model::Invalidator;
use crate::signature::{Binding, Function, Home, Origin};
use crate::template::{Flavor, Part, parse};

/// What a macro with targets stands in.
pub(crate) fn around(name: &'static str, options: InvalidateOptions) -> Invalidator {
    let mut bindings = Vec::new();
    for target in &options.targets {
        if let Target::Text(literal) = target {
            bind(literal, Flavor::Target, &mut bindings);
        }
    }
    for tag in options.tags.get().into_iter().flatten() {
        bind(tag, Flavor::Tag, &mut bindings);
    }
    let krate = CratePath::new(options.krate.get());
    Invalidator {
        name,
        is_local: true,
        options,
        function: nowhere(),
        bindings,
        krate,
    }
}

/// What a macro with one template stands in.
pub(crate) fn around_text(name: &'static str, literal: &LitStr) -> Invalidator {
    let mut around = around(name, InvalidateOptions::default());
    bind(literal, Flavor::Key, &mut around.bindings);
    around
}

/// A function that stands for the one around the macro, of which nothing is known.
fn nowhere() -> Function {
    let body = proc_macro2::Group::new(proc_macro2::Delimiter::Brace, TokenStream::new());
    Function {
        attributes: Vec::new(),
        visibility: syn::Visibility::Inherited,
        signature: syn::parse_quote!(async fn here()),
        body: body.into(),
        home: Home::Anywhere,
    }
}

/// Takes each name in a template to be a local variable. What is wrong with the template is told elsewhere.
fn bind(literal: &LitStr, flavor: Flavor, bindings: &mut Vec<Binding>) {
    let Ok(template) = parse(&literal.value(), flavor) else {
        return;
    };
    for part in template.parts {
        let Part::Placeholder(placeholder) = part else {
            continue;
        };
        let root = placeholder.root.as_str();
        if bindings.iter().any(|binding| binding.plain_name() == root) {
            continue;
        }
        let name = if root == "self" {
            Some(Ident::new(root, literal.span()))
        } else {
            let parsed = syn::parse_str::<Ident>(root).or_else(|_| syn::parse_str(&format!("r#{root}")));
            parsed.ok().map(|mut name| {
                name.set_span(literal.span());
                name
            })
        };
        bindings.extend(name.map(|name| Binding {
            name,
            ty: None,
            type_span: literal.span(),
            cfgs: Vec::new(),
            is_plain: false,
            origin: Origin::Caller,
        }));
    }
}

/// The template of `key!`.
pub(crate) fn literal(tokens: TokenStream) -> syn::Result<LitStr> {
    syn::parse::Parser::parse2(
        |input: syn::parse::ParseStream<'_>| {
            if !input.peek(LitStr) {
                let message = Message::new("`key!` takes a template").help("write `key!(\"lead:{id}\")`");
                return Err(message.into_error(input.span()));
            }
            let literal = input.parse()?;
            input.parse::<Option<Token![,]>>()?;
            Ok(literal)
        },
        tokens,
    )
}

/// The target of `entry!`, which names one entry.
pub(crate) fn target(tokens: &TokenStream) -> syn::Result<InvalidateOptions> {
    let example = "write a cached function or method with its keyed arguments: `entry!(get_lead(id))`, `entry!(repo.get(id))`";
    let wrong = |tokens: &TokenStream| {
        let message = Message::new("`entry!` names one entry").help(example);
        Err(message.on(quote!(#tokens)))
    };
    match parse_target(tokens.clone()) {
        Err(_) | Ok(Target::WholeFunction { .. } | Target::WholeMethod { .. } | Target::Text(_)) => {
            wrong(tokens)
        }
        Ok(target) => Ok(InvalidateOptions {
            targets: vec![target],
            tags: Slot::default(),
            ..InvalidateOptions::default()
        }),
    }
}
