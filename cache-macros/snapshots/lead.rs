// 195 lines, made of:
//
// #[cache_lead_data(skip(db))]
// async fn get_lead(db: &Db, lead_id: u64) -> Result<Option<Lead>, DbError> {
//     db.lead(lead_id).await
// }

async fn get_lead(db: &Db, lead_id: u64) -> Result<Option<Lead>, DbError> {
    let __shape = ::cache_core::__private::shape!(Result < Option < Lead >, DbError >);
    if false {
        ::cache_core::bound::Filled::filled(
            ::cache_core::__private::Inside::of(__shape).content(),
        );
        ::cache_core::bound::kept(::cache_core::__private::held_in(__shape));
        ::cache_core::bound::written(::cache_core::__private::value(__shape));
    }
    let __miss = match ::cache_core::__private::lookup(
        <get_lead>::__target().site,
        __shape,
        ::cache_core::__private::share!(Result < Option < Lead >, DbError >),
        ::cache_core::__private::None,
        ::cache_core::__private::Mode::Use,
        &|__k: &mut ::cache_core::__private::KeyWriter| {
            __k.literal("lead:");
            ::cache_core::CacheKey::write_key(&lead_id, __k);
        },
    ) {
        ::cache_core::__private::Ok(__hit) => return __hit,
        ::cache_core::__private::Err(__miss) => __miss,
    };
    ::cache_core::__private::Load {
        load: {
            #[allow(
                unknown_lints,
                clippy::items_after_statements,
                clippy::needless_pass_by_value,
                clippy::too_many_arguments,
                clippy::unused_async
            )]
            async fn __fn(
                db: &Db,
                #[allow(unused_variables)]
                lead_id: u64,
            ) -> Result<Option<Lead>, DbError> {
                db.lead(lead_id).await
            }
            __fn(db, lead_id)
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
enum get_lead {}
#[automatically_derived]
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
impl get_lead {
    pub const INFO: &'static ::cache_core::__private::FunctionInfo = &::cache_core::__private::FunctionInfo::cached(
        ::cache_core::__private::path!("get_lead"),
        "lead:{lead_id}",
        "Lead",
    );
    #[inline]
    pub fn __target() -> ::cache_core::__private::Target {
        static __SITE: ::cache_core::__private::Site = ::cache_core::__private::Site::new(
            *<get_lead>::INFO,
        );
        ::cache_core::__private::register!(__SITE);
        ::cache_core::__private::Target::function(&__SITE)
    }
    #[inline]
    pub fn key(lead_id: &u64) -> ::cache_core::Key {
        ::cache_core::__private::key_of(|__k: &mut ::cache_core::__private::KeyWriter| {
            __k.literal("lead:");
            ::cache_core::CacheKey::write_key(&*lead_id, __k);
        })
    }
    #[inline]
    pub fn invalidate(
        lead_id: &u64,
    ) -> impl ::cache_core::__private::Future<Output = ::cache_core::__private::bool> {
        ::cache_core::__private::invalidate_key(
            ::cache_core::__private::None,
            Self::key(lead_id),
        )
    }
    #[inline]
    pub fn invalidate_all() -> impl ::cache_core::__private::Future<Output = ()> {
        ::cache_core::__private::invalidate_target(
            ::cache_core::__private::None,
            Self::__target(),
        )
    }
    const __AROUND: ::cache_core::__private::usize = ::cache_core::__private::around_value!(
        Result < Option < Lead >, DbError >
    );
    #[inline]
    pub fn __entry(
        lead_id: &u64,
    ) -> ::cache_core::Entry<
        <Result<
            Option<Lead>,
            DbError,
        > as ::cache_core::__private::Holds<{ <get_lead>::__AROUND }>>::Held,
    > {
        let __shape = ::cache_core::__private::shape!(
            Result < Option < Lead >, DbError >
        );
        if false {
            ::cache_core::bound::Filled::filled(
                ::cache_core::__private::Inside::of(__shape).content(),
            );
            ::cache_core::bound::kept(::cache_core::__private::held_in(__shape));
            ::cache_core::bound::written(::cache_core::__private::value(__shape));
        }
        ::cache_core::__private::Place::of(
                Self::__target().site,
                __shape,
                ::cache_core::__private::None,
                Self::key(lead_id),
            )
            .seen(__shape)
    }
    #[inline]
    pub fn peek(
        lead_id: &u64,
    ) -> impl ::cache_core::__private::Future<
        Output = ::cache_core::__private::Option<
            <Result<
                Option<Lead>,
                DbError,
            > as ::cache_core::__private::Holds<{ <get_lead>::__AROUND }>>::Held,
        >,
    > {
        Self::__entry(lead_id).peeked()
    }
    #[inline]
    pub fn put(
        lead_id: &u64,
        __value: <Result<
            Option<Lead>,
            DbError,
        > as ::cache_core::__private::Holds<{ <get_lead>::__AROUND }>>::Held,
    ) -> impl ::cache_core::__private::Future<Output = ()> {
        Self::__entry(lead_id).filled(__value)
    }
    #[inline]
    pub fn refresh(
        __0: &Db,
        __1: u64,
    ) -> impl ::cache_core::__private::Future<Output = Result<Option<Lead>, DbError>> {
        ::cache_core::__private::call(
            Self::__target(),
            ::cache_core::__private::Mode::Refresh,
            get_lead(__0, __1),
        )
    }
    #[inline]
    pub fn uncached(
        __0: &Db,
        __1: u64,
    ) -> impl ::cache_core::__private::Future<Output = Result<Option<Lead>, DbError>> {
        ::cache_core::__private::call(
            Self::__target(),
            ::cache_core::__private::Mode::Bypass,
            get_lead(__0, __1),
        )
    }
}
