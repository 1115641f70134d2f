// 66 lines, made of:
//
// #[invalidate_cache(get_lead(lead_id), search_leads(..), "campaign:{lead_id}:*", tags = ["city:{result.city}"])]
// pub async fn update_lead(db: &Db, lead_id: u64, patch: Patch) -> Result<Lead, DbError> {
//     db.update(lead_id, patch).await
// }

pub async fn update_lead(db: &Db, lead_id: u64, patch: Patch) -> Result<Lead, DbError> {
    let mut __targets = ::cache_core::__private::Targets::of(
        {
            static __SITE: ::cache_core::__private::Site = ::cache_core::__private::Site::new(
                ::cache_core::__private::FunctionInfo::invalidator(
                    ::cache_core::__private::path!("update_lead"),
                    &[
                        ::cache_core::__private::TargetInfo::of_function(
                            "get_lead(lead_id)",
                            get_lead::INFO,
                        ),
                        ::cache_core::__private::TargetInfo::of_function(
                            "search_leads(..)",
                            search_leads::INFO,
                        ),
                        ::cache_core::__private::TargetInfo::ByPattern(
                            "campaign:{lead_id}:*",
                        ),
                        ::cache_core::__private::TargetInfo::ByTag("city:{result.city}"),
                    ],
                ),
            );
            ::cache_core::__private::register!(__SITE);
            &__SITE
        },
        ::cache_core::__private::None,
    );
    __targets.key(get_lead::key(&lead_id));
    __targets.all(search_leads::__target());
    __targets
        .pattern(|__k: &mut ::cache_core::__private::KeyWriter| {
            __k.raw("campaign:");
            ::cache_core::CacheKey::write_key(&lead_id, __k);
            __k.raw(":*");
        });
    #[allow(clippy::let_unit_value)]
    let __ret: Result<Lead, DbError> = async move {
        #[allow(unknown_lints, clippy::let_unit_value, clippy::let_with_type_underscore)]
        if false {
            let __ret: Result<Lead, DbError> = ::cache_core::__private::never();
            return __ret;
        }
        #[allow(unused_variables)]
        let db = db;
        #[allow(unused_variables)]
        let lead_id = lead_id;
        #[allow(unused_variables)]
        let patch = patch;
        #[allow(unused_braces, clippy::semicolon_if_nothing_returned)]
        { db.update(lead_id, patch).await }
    }
        .await;
    let __shape = ::cache_core::__private::shape!(Result < Lead, DbError >);
    if let ::cache_core::__private::Some(result) = ::cache_core::__private::view(
        __shape,
        &__ret,
    ) {
        __targets
            .tag(|__k: &mut ::cache_core::__private::KeyWriter| {
                __k.raw("city:");
                ::cache_core::CacheKey::write_key(&result.city, __k);
            });
    }
    ::cache_core::__private::settle(__shape, &__ret, __targets).await;
    #[allow(clippy::unit_arg)] __ret
}
