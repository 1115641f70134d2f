//! How a key is written: statements on a `KeyWriter` that is named `__k`.
//!
//! The same statements stand in the cached function and in its handle, where arguments are references. The
//! invariant is that both write the same key for the same values.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Receiver, Type};

use crate::crate_path::CratePath;
use crate::model::{KeyPlan, Namespace, Next, Part, Render, Source, Value};
use crate::signature::{Binding, Function, ungrouped};
use crate::span::{first, mixed};
use crate::template::Filter;

/// Where the statements stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the function, where arguments are as the signature says.
    Function,
    /// In the handle, where all arguments are references.
    Handle,
}

/// What the statements may refer to.
pub(super) struct Context<'a> {
    pub(super) krate: &'a CratePath,
    pub(super) function: &'a Function,
    pub(super) bindings: &'a [Binding],
    pub(super) place: Place,
}

impl Context<'_> {
    /// `__k`, at a place.
    pub(super) fn writer(span: Span) -> Ident {
        Ident::new("__k", mixed(span))
    }

    /// The closure that writes the key of a cached function.
    pub(super) fn key(&self, plan: &KeyPlan) -> TokenStream {
        let span = Span::mixed_site();
        let private = self.krate.private(span);
        let writer = Self::writer(span);
        let namespace = (plan.namespace == Namespace::FunctionPath).then(|| {
            let name = self.function.plain_name();
            if self.function.is_associated() {
                quote_spanned! {span=>
                    #private::method_namespace::<Self>(#writer, #private::module_path!(), #name);
                }
            } else {
                quote_spanned!(span=> #writer.namespace(#private::path!(#name));)
            }
        });
        let statements = match &plan.render {
            Render::Parts(parts) => self.parts(parts, "literal"),
            Render::QueryHash { prefix, arguments } => self.query_hash(prefix, arguments),
            Render::Custom {
                prefix,
                function,
                arguments,
            } => self.custom(prefix.as_deref(), function, arguments),
        };
        quote_spanned!(span=> |#writer: &mut #private::KeyWriter| { #namespace #statements })
    }

    /// The closure that writes a key of its own.
    pub(super) fn literal_key(&self, parts: &[Part]) -> TokenStream {
        let span = Span::mixed_site();
        let private = self.krate.private(span);
        let writer = Self::writer(span);
        let statements = self.parts(parts, "literal");
        quote_spanned!(span=> |#writer: &mut #private::KeyWriter| { #statements })
    }

    /// The closure that writes a key, pattern or tag to invalidate.
    pub(super) fn target(&self, parts: &[Part]) -> TokenStream {
        let span = Span::mixed_site();
        let private = self.krate.private(span);
        let writer = Self::writer(span);
        let statements = self.parts(parts, "raw");
        quote_spanned!(span=> |#writer: &mut #private::KeyWriter| { #statements })
    }

    fn parts(&self, parts: &[Part], literal: &str) -> TokenStream {
        let span = Span::mixed_site();
        let writer = Self::writer(span);
        let literal = Ident::new(literal, span);
        parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => quote_spanned!(span=> #writer.#literal(#text);),
                Part::Value(value) => {
                    let cfgs = self.conditions(value.source);
                    let value = self.value(value);
                    quote_spanned!(span=> #(#cfgs)* #value)
                }
            })
            .collect()
    }

    /// One call that writes a value. It is located where the value's type stands, so that a type
    /// that cannot be a key part is underlined there; for a field that is the template.
    fn value(&self, value: &Value) -> TokenStream {
        let span = self.location(value);
        let krate = self.krate.at(span);
        let private = self.krate.private(span);
        let writer = Self::writer(span);
        let expression = self.reference(value, span);
        // Calls of the traits' own methods, since rustc explains a bound of any other function by naming that
        // function, which means nothing to the user.
        let write = match value.filter {
            // A digest has one length, so what follows it needs no care.
            Some(Filter::Hash) => {
                let way = quote_spanned!(span=> #private::way!(#expression));
                return quote_spanned!(span=> #krate::bound::Hashed::hash_into(#way, #expression, #writer););
            }
            Some(Filter::Lower) => {
                quote_spanned!(span=> #writer.text(&#krate::bound::Lower::lower(#expression)))
            }
            None => quote_spanned!(span=> #krate::CacheKey::write_key(#expression, #writer)),
        };
        match value.next {
            // The writer itself tells values apart that follow each other directly.
            Next::End | Next::Value => quote_spanned!(span=> #write;),
            Next::Byte(byte) => {
                let end = byte_literal(byte, span);
                quote_spanned!(span=> #writer.before(#end, |#writer| #write);)
            }
        }
    }

    /// Elements are given by reference in the function too.
    fn place_of(&self, binding: &Binding) -> Place {
        if binding.is_element() {
            Place::Handle
        } else {
            self.place
        }
    }

    /// When an argument exists.
    fn conditions(&self, source: Source) -> &[syn::Attribute] {
        match source {
            Source::Argument(index) => self.bindings.get(index).map_or(&[], |binding| &*binding.cfgs),
            Source::Receiver | Source::Generic(_) | Source::Result => &[],
        }
    }

    fn location(&self, value: &Value) -> Span {
        let whole_argument = match value.source {
            Source::Argument(index) if value.members.is_empty() => self.bindings.get(index),
            _ => None,
        };
        match (whole_argument, value.location) {
            (Some(binding), _) => mixed(binding.type_span),
            (None, Some(location)) => mixed(location),
            (None, None) => Span::mixed_site(),
        }
    }

    /// A reference to a value.
    fn reference(&self, value: &Value, span: Span) -> TokenStream {
        let root = self.root(value.source, span);
        let is_reference = match value.source {
            Source::Argument(index) => self.bindings.get(index).is_some_and(|binding| {
                self.place_of(binding) == Place::Handle && !is_users_reference(binding)
            }),
            Source::Receiver | Source::Generic(_) | Source::Result => false,
        };
        let members = &value.members;
        // Seen through the reference, the type is that of the function's own argument, so that rustc finds the
        // same mistake in both places and reports it once.
        let path = match (is_reference, members.is_empty()) {
            (true, true) => quote_spanned!(span=> *#root),
            (true, false) => quote_spanned!(span=> (*#root) #(.#members)*),
            (false, _) => quote_spanned!(span=> #root #(.#members)*),
        };
        quote_spanned!(span=> &#path)
    }

    /// The name of a value with the hygiene of the user's own token.
    fn root(&self, source: Source, location: Span) -> TokenStream {
        match source {
            Source::Argument(index) => self.bindings.get(index).map_or_else(TokenStream::new, |binding| {
                let mut name = binding.name.clone();
                name.set_span(location.resolved_at(binding.name.span()));
                name.into_token_stream()
            }),
            Source::Receiver => self
                .function
                .receiver()
                .map_or_else(TokenStream::new, |receiver| {
                    self_token(receiver, location).into_token_stream()
                }),
            Source::Generic(index) => self.generic(index, location),
            Source::Result => result_name(location).into_token_stream(),
        }
    }

    /// The value of a constant, the name of a type.
    fn generic(&self, index: usize, location: Span) -> TokenStream {
        let at = |name: &Ident| {
            let mut name = name.clone();
            name.set_span(location.resolved_at(name.span()));
            name
        };
        match self.function.signature.generics.params.get(index) {
            Some(syn::GenericParam::Type(parameter)) => {
                let private = self.krate.private(location);
                let name = at(&parameter.ident);
                quote_spanned!(location=> #private::type_name::<#name>())
            }
            Some(syn::GenericParam::Const(parameter)) => at(&parameter.ident).into_token_stream(),
            Some(syn::GenericParam::Lifetime(_)) | None => TokenStream::new(),
        }
    }

    fn query_hash(&self, prefix: &str, arguments: &[usize]) -> TokenStream {
        let span = Span::mixed_site();
        let private = self.krate.private(span);
        let writer = Self::writer(span);
        let prefix = format!("{prefix}:");
        let function = self.function.plain_name();
        let pairs = arguments.iter().filter_map(|index| {
            let binding = self.bindings.get(*index)?;
            let name = binding.plain_name();
            let span = mixed(binding.type_span);
            let krate = self.krate.at(span);
            let value = self.root(Source::Argument(*index), span);
            let cfgs = &binding.cfgs;
            // Of a type that is not known, the handle has a reference to something canonical, which is not canonical itself.
            let reference = if self.place == Place::Handle && binding.ty.is_none() {
                value
            } else {
                quote_spanned!(span=> &#value)
            };
            Some(quote_spanned!(span=> #(#cfgs)* (#name, #krate::bound::Canonical::as_canonical(#reference))))
        });
        let hash = if self.function.is_associated() {
            quote_spanned!(span=> method_query_hash::<Self>)
        } else {
            quote_spanned!(span=> query_hash)
        };
        quote_spanned! {span=>
            #writer.literal(#prefix);
            #private::#hash(#writer, #private::path!(#function), &[#(#pairs),*]);
        }
    }

    fn custom(&self, prefix: Option<&str>, function: &Expr, arguments: &[Source]) -> TokenStream {
        let span = mixed(first(function));
        let krate = self.krate.at(span);
        let writer = Self::writer(span);
        let prefix = format!("{}:", prefix.unwrap_or_default());
        let count = arguments.len();
        let allow = super::allow_closures();
        let arguments = arguments.iter().map(|source| {
            let cfgs = self.conditions(*source);
            let argument = self.custom_argument(*source, span);
            quote_spanned!(span=> #(#cfgs)* #argument)
        });
        // A path is called directly, so that `&String` may become `&str`; a closure whose parameters have no
        // types learns them from the helper.
        let call = match function {
            Expr::Closure(closure)
                if !closure
                    .inputs
                    .iter()
                    .all(|input| matches!(input, syn::Pat::Type(_))) =>
            {
                let helper = Ident::new(&format!("key_fn{count}"), span);
                quote_spanned!(span=> #krate::bound::#helper(#function #(, #arguments)*))
            }
            _ => quote_spanned!(span=> (#function)(#(#arguments),*)),
        };
        quote_spanned! {span=>
            #writer.literal(#prefix);
            #allow
            let __text = #call;
            #writer.text(&#krate::bound::KeyText::key_text(__text));
        }
    }

    /// `&T` as it is, another `T` as `&T`.
    fn custom_argument(&self, source: Source, span: Span) -> TokenStream {
        let root = self.root(source, span);
        let by_value = match source {
            Source::Argument(index) => self
                .bindings
                .get(index)
                .is_some_and(|binding| !is_users_reference(binding)),
            Source::Receiver => {
                self.place == Place::Function
                    && self
                        .function
                        .receiver()
                        .is_some_and(|receiver| !matches!(receiver.kind, syn::ReceiverKind::Reference(..)))
            }
            Source::Generic(_) | Source::Result => true,
        };
        let becomes_str = matches!(source, Source::Argument(index)
            if self.bindings.get(index).and_then(|binding| binding.ty.as_ref()).is_some_and(is_string));
        let place = match source {
            Source::Argument(index) => self
                .bindings
                .get(index)
                .map_or(self.place, |binding| self.place_of(binding)),
            Source::Receiver | Source::Generic(_) | Source::Result => self.place,
        };
        match (place, by_value, becomes_str) {
            (Place::Handle, true, true) => {
                let private = self.krate.private(span);
                quote_spanned!(span=> &#private::String::from(#root))
            }
            (Place::Function, true, _) => quote_spanned!(span=> &#root),
            _ => root,
        }
    }
}

fn byte_literal(byte: u8, span: Span) -> Literal {
    let mut literal = if byte.is_ascii() {
        Literal::byte_character(byte)
    } else {
        Literal::u8_suffixed(byte)
    };
    literal.set_span(span);
    literal
}

/// `result` as the user's own tokens find it.
pub(super) fn result_name(location: Span) -> Ident {
    Ident::new("result", location.resolved_at(Span::call_site()))
}

/// `self` as the function's own receiver.
pub(super) fn self_token(receiver: &Receiver, location: Span) -> Ident {
    Ident::new("self", location.resolved_at(receiver.self_token.span))
}

/// Whether the argument is a reference by itself.
pub(super) fn is_users_reference(binding: &Binding) -> bool {
    binding
        .ty
        .as_ref()
        .is_some_and(|ty| matches!(ungrouped(ty), Type::Reference(_)))
}

/// Whether the type is written as `String`.
pub(super) fn is_string(ty: &Type) -> bool {
    crate::signature::last_segment(Some(ty))
        .is_some_and(|segment| segment.ident == "String" && segment.arguments.is_none())
}
