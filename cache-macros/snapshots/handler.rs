// 167 lines, made of:
//
// #[cache_response(key = "page:{id}", ttl = "5m", skip(state))]
// pub async fn show(State(state): State<App>, Path(id): Path<u64>) -> Result<Json<Page>, AppError> {
//     state.page(id).await.map(Json)
// }

pub async fn show(
    State(state): State<App>,
    Path(id): Path<u64>,
) -> ::cache_core::__private::answers::Response {
    let __asked = ::cache_core::__private::answers::asked(
        ::cache_core::__private::Mode::Use,
    );
    let __miss = match ::cache_core::__private::answers::lookup(
        <show>::__target().site,
        ::cache_core::__private::None,
        __asked.mode(),
        &|__k: &mut ::cache_core::__private::KeyWriter| {
            __k.literal("page:");
            ::cache_core::CacheKey::write_key(&id, __k);
        },
    ) {
        ::cache_core::__private::Ok(__hit) => {
            return ::cache_core::__private::answers::respond(__hit, __asked, false);
        }
        ::cache_core::__private::Err(__miss) => __miss,
    };
    ::cache_core::__private::answers::respond(
        ::cache_core::__private::LoadIf {
            verdict: ::cache_core::__private::judging(
                ::cache_core::__private::answers::SHAPE,
                ::cache_core::__private::answers::verdict,
            ),
            load: async move {
                let __limit = ::cache_core::__private::answers::MAX_RESPONSE_BYTES;
                let __ret = async move {
                    #[allow(
                        unknown_lints,
                        clippy::let_unit_value,
                        clippy::let_with_type_underscore
                    )]
                    if false {
                        let __ret: Result<Json<Page>, AppError> = ::cache_core::__private::never();
                        return __ret;
                    }
                    #[allow(unused_variables)]
                    let state = state;
                    #[allow(unused_variables)]
                    let id = id;
                    #[allow(unused_braces, clippy::semicolon_if_nothing_returned)]
                    { state.page(id).await.map(Json) }
                }
                    .await;
                let __is_err = ::cache_core::__private::answers::Returned(&__ret)
                    .is_err();
                let __response = ::cache_core::bound::Responds::responded(__ret);
                ::cache_core::__private::answers::record(
                        __response,
                        __is_err,
                        __limit,
                        __asked,
                    )
                    .await
            },
            miss: __miss,
        }
            .await,
        __asked,
        false,
    )
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
pub enum show {}
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
impl show {
    pub const INFO: &'static ::cache_core::__private::FunctionInfo = &::cache_core::__private::FunctionInfo::cached(
            ::cache_core::__private::path!("show"),
            "page:{id}",
            "Page",
        )
        .ttl_millis(300000u64);
    #[inline]
    pub fn __target() -> ::cache_core::__private::Target {
        static __SITE: ::cache_core::__private::Site = ::cache_core::__private::Site::new(
            *<show>::INFO,
        );
        ::cache_core::__private::register!(__SITE);
        ::cache_core::__private::Target::function(&__SITE)
    }
    #[inline]
    pub fn key(id: &u64) -> ::cache_core::Key {
        ::cache_core::__private::key_of(|__k: &mut ::cache_core::__private::KeyWriter| {
            __k.literal("page:");
            ::cache_core::CacheKey::write_key(&*id, __k);
        })
    }
    #[inline]
    pub fn invalidate(
        id: &u64,
    ) -> impl ::cache_core::__private::Future<Output = ::cache_core::__private::bool> {
        ::cache_core::__private::invalidate_key(
            ::cache_core::__private::None,
            Self::key(id),
        )
    }
    #[inline]
    pub fn invalidate_all() -> impl ::cache_core::__private::Future<Output = ()> {
        ::cache_core::__private::invalidate_target(
            ::cache_core::__private::None,
            Self::__target(),
        )
    }
    #[inline]
    pub fn refresh(
        __0: State<App>,
        __1: Path<u64>,
    ) -> impl ::cache_core::__private::Future<
        Output = ::cache_core::__private::answers::Response,
    > {
        ::cache_core::__private::call(
            Self::__target(),
            ::cache_core::__private::Mode::Refresh,
            show(__0, __1),
        )
    }
    #[inline]
    pub fn uncached(
        __0: State<App>,
        __1: Path<u64>,
    ) -> impl ::cache_core::__private::Future<
        Output = ::cache_core::__private::answers::Response,
    > {
        ::cache_core::__private::call(
            Self::__target(),
            ::cache_core::__private::Mode::Bypass,
            show(__0, __1),
        )
    }
}
