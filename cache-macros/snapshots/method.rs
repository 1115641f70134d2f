// 138 lines, made of:
//
// #[cache_result(key = "settings:{self.tenant}:{name}")]
// async fn setting(&self, name: &str) -> Result<Setting, DbError> {
//     self.db.setting(name).await
// }

async fn setting(&self, name: &str) -> Result<Setting, DbError> {
    let __shape = ::cache_core::__private::shape!(Result < Setting, DbError >);
    if false {
        ::cache_core::bound::Filled::filled(
            ::cache_core::__private::Inside::of(__shape).content(),
        );
        ::cache_core::bound::kept(::cache_core::__private::held_in(__shape));
        ::cache_core::bound::written(::cache_core::__private::value(__shape));
    }
    let __miss = match ::cache_core::__private::lookup(
        Self::__cache_target_setting().site,
        __shape,
        ::cache_core::__private::share!(Result < Setting, DbError >),
        ::cache_core::__private::None,
        ::cache_core::__private::Mode::Use,
        &|__k: &mut ::cache_core::__private::KeyWriter| {
            __k.literal("settings:");
            ::cache_core::CacheKey::write_key(&self.tenant, __k);
            __k.literal(":");
            ::cache_core::CacheKey::write_key(&name, __k);
        },
    ) {
        ::cache_core::__private::Ok(__hit) => return __hit,
        ::cache_core::__private::Err(__miss) => __miss,
    };
    ::cache_core::__private::Load {
        load: async move {
            #[allow(
                unknown_lints,
                clippy::let_unit_value,
                clippy::let_with_type_underscore
            )]
            if false {
                let __ret: Result<Setting, DbError> = ::cache_core::__private::never();
                return __ret;
            }
            #[allow(unused_variables)]
            let name = name;
            #[allow(unused_braces, clippy::semicolon_if_nothing_returned)]
            { self.db.setting(name).await }
        },
        miss: __miss,
    }
        .await
}
#[doc(hidden)]
#[allow(
    unknown_lints,
    dead_code,
    deprecated,
    missing_debug_implementations,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    private_bounds,
    private_interfaces,
    single_use_lifetimes,
    unnameable_types,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
fn __cache_target_setting() -> ::cache_core::__private::Target {
    static __SITE: ::cache_core::__private::Site = ::cache_core::__private::Site::new(
        ::cache_core::__private::FunctionInfo::cached(
                ::cache_core::__private::path!("setting"),
                "settings:{self.tenant}:{name}",
                "Setting",
            )
            .method(),
    );
    ::cache_core::__private::register!(__SITE);
    ::cache_core::__private::Target::method::<Self>(&__SITE)
}
#[doc(hidden)]
#[allow(
    unknown_lints,
    dead_code,
    deprecated,
    missing_debug_implementations,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    private_bounds,
    private_interfaces,
    single_use_lifetimes,
    unnameable_types,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
fn __cache_key_setting(&self, name: &str) -> ::cache_core::Key {
    ::cache_core::__private::key_of(|__k: &mut ::cache_core::__private::KeyWriter| {
        __k.literal("settings:");
        ::cache_core::CacheKey::write_key(&self.tenant, __k);
        __k.literal(":");
        ::cache_core::CacheKey::write_key(&name, __k);
    })
}
#[doc(hidden)]
#[allow(
    unknown_lints,
    dead_code,
    deprecated,
    missing_debug_implementations,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    private_bounds,
    private_interfaces,
    single_use_lifetimes,
    unnameable_types,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
fn __cache_entry_setting(
    &self,
    name: &str,
) -> ::cache_core::__private::Place<Result<Setting, DbError>> {
    let __shape = ::cache_core::__private::shape!(Result < Setting, DbError >);
    if false {
        ::cache_core::bound::Filled::filled(
            ::cache_core::__private::Inside::of(__shape).content(),
        );
        ::cache_core::bound::kept(::cache_core::__private::held_in(__shape));
        ::cache_core::bound::written(::cache_core::__private::value(__shape));
    }
    ::cache_core::__private::Place::of(
        Self::__cache_target_setting().site,
        __shape,
        ::cache_core::__private::None,
        self.__cache_key_setting(name),
    )
}
