// 209 lines, made of:
//
// #[cache_result(key = "analytics:{metric}:{range.from}", ttl = "30m", stale_if_error = "1h")]
// pub async fn calculate_metric(metric: &str, range: DateRange) -> Result<f64, DbError> {
//     db::metric(metric, range).await
// }

pub async fn calculate_metric(metric: &str, range: DateRange) -> Result<f64, DbError> {
    let __shape = ::cache_core::__private::shape!(Result < f64, DbError >);
    if false {
        ::cache_core::bound::Filled::filled(
            ::cache_core::__private::Inside::of(__shape).content(),
        );
        ::cache_core::bound::kept(::cache_core::__private::held_in(__shape));
        ::cache_core::bound::written(::cache_core::__private::value(__shape));
    }
    if false {
        ::cache_core::bound::MayFail::may_fail(
            ::cache_core::__private::returned(__shape),
        );
    }
    let __miss = match ::cache_core::__private::lookup(
        <calculate_metric>::__target().site,
        __shape,
        ::cache_core::__private::share!(Result < f64, DbError >),
        ::cache_core::__private::None,
        ::cache_core::__private::Mode::Use,
        &|__k: &mut ::cache_core::__private::KeyWriter| {
            __k.literal("analytics:");
            ::cache_core::CacheKey::write_key(&metric, __k);
            __k.literal(":");
            ::cache_core::CacheKey::write_key(&range.from, __k);
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
                #[allow(unused_variables)]
                metric: &str,
                #[allow(unused_variables)]
                range: DateRange,
            ) -> Result<f64, DbError> {
                db::metric(metric, range).await
            }
            __fn(metric, range)
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
pub enum calculate_metric {}
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
impl calculate_metric {
    pub const INFO: &'static ::cache_core::__private::FunctionInfo = &::cache_core::__private::FunctionInfo::cached(
            ::cache_core::__private::path!("calculate_metric"),
            "analytics:{metric}:{range.from}",
            "f64",
        )
        .ttl_millis(1800000u64)
        .stale_if_error_millis(3600000u64);
    #[inline]
    pub fn __target() -> ::cache_core::__private::Target {
        static __SITE: ::cache_core::__private::Site = ::cache_core::__private::Site::new(
            *<calculate_metric>::INFO,
        );
        ::cache_core::__private::register!(__SITE);
        ::cache_core::__private::Target::function(&__SITE)
    }
    #[inline]
    pub fn key(metric: &str, range: &DateRange) -> ::cache_core::Key {
        ::cache_core::__private::key_of(|__k: &mut ::cache_core::__private::KeyWriter| {
            __k.literal("analytics:");
            ::cache_core::CacheKey::write_key(&metric, __k);
            __k.literal(":");
            ::cache_core::CacheKey::write_key(&(*range).from, __k);
        })
    }
    #[inline]
    pub fn invalidate(
        metric: &str,
        range: &DateRange,
    ) -> impl ::cache_core::__private::Future<Output = ::cache_core::__private::bool> {
        ::cache_core::__private::invalidate_key(
            ::cache_core::__private::None,
            Self::key(metric, range),
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
        Result < f64, DbError >
    );
    #[inline]
    pub fn __entry(
        metric: &str,
        range: &DateRange,
    ) -> ::cache_core::Entry<
        <Result<
            f64,
            DbError,
        > as ::cache_core::__private::Holds<{ <calculate_metric>::__AROUND }>>::Held,
    > {
        let __shape = ::cache_core::__private::shape!(Result < f64, DbError >);
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
                Self::key(metric, range),
            )
            .seen(__shape)
    }
    #[inline]
    pub fn peek(
        metric: &str,
        range: &DateRange,
    ) -> impl ::cache_core::__private::Future<
        Output = ::cache_core::__private::Option<
            <Result<
                f64,
                DbError,
            > as ::cache_core::__private::Holds<{ <calculate_metric>::__AROUND }>>::Held,
        >,
    > {
        Self::__entry(metric, range).peeked()
    }
    #[inline]
    pub fn put(
        metric: &str,
        range: &DateRange,
        __value: <Result<
            f64,
            DbError,
        > as ::cache_core::__private::Holds<{ <calculate_metric>::__AROUND }>>::Held,
    ) -> impl ::cache_core::__private::Future<Output = ()> {
        Self::__entry(metric, range).filled(__value)
    }
    #[inline]
    pub fn refresh(
        __0: &str,
        __1: DateRange,
    ) -> impl ::cache_core::__private::Future<Output = Result<f64, DbError>> {
        ::cache_core::__private::call(
            Self::__target(),
            ::cache_core::__private::Mode::Refresh,
            calculate_metric(__0, __1),
        )
    }
    #[inline]
    pub fn uncached(
        __0: &str,
        __1: DateRange,
    ) -> impl ::cache_core::__private::Future<Output = Result<f64, DbError>> {
        ::cache_core::__private::call(
            Self::__target(),
            ::cache_core::__private::Mode::Bypass,
            calculate_metric(__0, __1),
        )
    }
}
