//! Methods of one name have their own entries for each type, and for each instance of a generic one.
#![deny(warnings)]

use std::marker::PhantomData;

use cache_core::{CacheManager, cache_result, cache_search_results, invalidate_cache};

trait Labelled {
    const LABEL: &'static str;
}

struct Users;
struct Orders;

impl Labelled for Users {
    const LABEL: &'static str = "users";
}

impl Labelled for Orders {
    const LABEL: &'static str = "orders";
}

macro_rules! repository {
    ($($t:ty)*) => {$(
        impl $t {
            #[cache_result(skip(self))]
            async fn get(&self, id: u64) -> String {
                format!("{} {id}", <$t>::LABEL)
            }

            #[cache_search_results(skip(self))]
            async fn find(&self, text: &str) -> Vec<String> {
                vec![format!("{} {text}", <$t>::LABEL)]
            }

            #[cache_result(key_fn = |id| id.to_string(), skip(self))]
            async fn own(&self, id: u64) -> String {
                format!("{} {id}", <$t>::LABEL)
            }

            #[invalidate_cache(Self::get(id), Self::own(id))]
            async fn forget(&self, id: u64) -> bool {
                id > 0
            }

            #[invalidate_cache(Self::get(..), Self::own(..))]
            async fn forget_all(&self) {}
        }
    )*};
}
repository!(Users Orders);

struct Store<T>(PhantomData<T>);

impl<T: Labelled + Send + Sync> Store<T> {
    #[cache_result(skip(self))]
    async fn get(&self, id: u64) -> String {
        format!("{} {id}", T::LABEL)
    }

    #[cache_search_results(skip(self))]
    async fn find(&self, text: &str) -> Vec<String> {
        vec![format!("{} {text}", T::LABEL)]
    }

    #[invalidate_cache(Self::get(id))]
    async fn forget(&self, id: u64) {
        let _ = id;
    }

    #[invalidate_cache(Self::get(..))]
    async fn forget_all(&self) {}
}

mod elsewhere {
    use cache_core::cache_result;

    impl super::Users {
        #[cache_result(skip(self))]
        pub async fn elsewhere(&self, id: u64) -> u64 {
            id
        }
    }

    pub trait Get {
        #[cache_result(skip(self))]
        async fn get(&self, id: u64) -> String {
            format!("trait {id}")
        }
    }

    impl Get for super::Users {}
    impl Get for [u8] {}
    impl Get for str {}
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cache = CacheManager::in_memory();
    runtime.block_on(cache.scope(async {
        let function = |name: &str| cache.stats().functions[&format!("{}::{name}", module_path!())];
        // The second time each is found, by its arguments alone.
        for _ in 0..3 {
            assert_eq!(Users.get(1).await, "users 1");
            assert_eq!(Orders.get(1).await, "orders 1");
            assert_eq!(Users.own(1).await, "users 1");
            assert_eq!(Orders.own(1).await, "orders 1");
            assert_eq!(Users.find("a").await, ["users a"]);
            assert_eq!(Orders.find("a").await, ["orders a"]);
        }
        assert_eq!((function("get").loads, function("own").loads, function("find").loads), (2, 2, 2));

        Users.forget(1).await;
        assert_eq!(function("forget").invalidations, 2);
        Users.get(1).await;
        Orders.get(1).await;
        assert_eq!(function("get").loads, 3);
        Orders.forget_all().await;
        Users.get(1).await;
        Orders.get(1).await;
        Users.own(1).await;
        Orders.own(1).await;
        assert_eq!((function("get").loads, function("own").loads), (4, 4));

        let (users, orders) = (Store::<Users>(PhantomData), Store::<Orders>(PhantomData));
        for _ in 0..3 {
            assert_eq!(users.get(1).await, "users 1");
            assert_eq!(orders.get(1).await, "orders 1");
            assert_eq!(users.find("a").await, ["users a"]);
            assert_eq!(orders.find("a").await, ["orders a"]);
        }
        assert_eq!((function("get").loads, function("find").loads), (6, 4));
        users.forget(1).await;
        users.get(1).await;
        orders.get(1).await;
        assert_eq!(function("get").loads, 7);
        orders.forget_all().await;
        users.get(1).await;
        orders.get(1).await;
        assert_eq!(function("get").loads, 8);

        // A module's own methods for a type of another one.
        use elsewhere::Get;
        assert_eq!(Get::get(&Users, 1).await, "trait 1");
        assert_eq!(Users.get(1).await, "users 1");
        assert_eq!(Get::get("a", 1).await, Get::get(&[1_u8][..], 1).await);
        assert_eq!(function("elsewhere::get").loads, 3);
        assert_eq!(Users.elsewhere(1).await, 1);
    }));
    let own = module_path!();
    assert_eq!(Users::__cache_key_get(&1).as_str(), format!("{own}.Users.get:1"));
    let store = Store::<Orders>::__cache_key_get(&1);
    assert_eq!(store.as_str(), format!("{own}.Store%3C{own}.Orders%3E.get:1"));
    assert_eq!(Users::__cache_key_elsewhere(&1).as_str(), format!("{own}.elsewhere.%3C{own}.Users%3E.elsewhere:1"));
    drop((Orders.forget(1), Users.forget_all()));
}
