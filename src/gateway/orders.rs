//! Orders in progress that this process has seen, by each of their URLs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::domain::acme::Order;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::hash::{HashKey, TextPurpose};
use crate::domain::time::Timestamp;

/// URLs kept. An order has about four, each about 150 octets with its data, so at most 60 MB.
const MOST_URLS: u64 = 400_000;

/// How long they are kept: ACME servers give orders at most a week.
const KEPT_FOR: Duration = Duration::from_hours(168);

/// An order that was created through this process.
#[derive(Debug)]
pub(super) struct LiveOrder {
    /// The keyed hash of its URL.
    pub(super) url: u128,
    pub(super) account: Option<u128>,
    /// The keyed hash of its names.
    pub(super) names: u128,
    /// The certificate that it replaces: claimed by `replaces`, or matched by names.
    pub(super) renews: Option<CertId>,
    ended: AtomicBool,
    /// When it was first seen to be valid, in Unix seconds; 0 if never.
    valid_at: AtomicI64,
}

impl LiveOrder {
    /// A new order.
    pub(super) const fn new(
        url: u128,
        account: Option<u128>,
        names: u128,
        renews: Option<CertId>,
    ) -> Self {
        Self {
            url,
            account,
            names,
            renews,
            ended: AtomicBool::new(false),
            valid_at: AtomicI64::new(0),
        }
    }

    /// Records that it has failed; returns whether that is news.
    pub(super) fn fail(&self) -> bool {
        !self.ended.swap(true, Ordering::Relaxed)
    }

    /// Records that its certificate has been issued; returns whether that is news.
    pub(super) fn succeed(&self, now: Timestamp) -> bool {
        self.valid_at
            .compare_exchange(0, now.unix(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// When its certificate was first seen to be issued.
    pub(super) fn issued_at(&self) -> Option<Timestamp> {
        match self.valid_at.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Timestamp::from_unix(at)),
        }
    }
}

/// The orders of a gateway.
#[derive(Debug)]
pub(super) struct Orders {
    key: HashKey,
    by_url: Cache<u128, Arc<LiveOrder>>,
}

impl Orders {
    pub(super) fn new(key: HashKey) -> Self {
        Self {
            key,
            by_url: Cache::builder()
                .max_capacity(MOST_URLS)
                .time_to_live(KEPT_FOR)
                .build(),
        }
    }

    /// The keyed hash of an upstream URL, or of its path and query, which gives the same.
    pub(super) fn hash(&self, url: &str) -> u128 {
        let rest = url.split_once("://").map_or(url, |(_, rest)| {
            rest.find('/').map_or("/", |slash| &rest[slash..])
        });
        self.key.hash_text(TextPurpose::OrderUrl, rest.as_bytes())
    }

    /// The order that this URL, or path and query, belongs to.
    pub(super) fn find(&self, url: &str) -> Option<Arc<LiveOrder>> {
        self.by_url.get(&self.hash(url))
    }

    /// Stores an order under its own URL and the URLs in it.
    pub(super) fn keep(&self, live: &Arc<LiveOrder>, order: &Order) {
        let own = order.urls.iter().map(|url| self.hash(url));
        for url in std::iter::once(live.url).chain(own) {
            if !self.by_url.contains_key(&url) {
                self.by_url.insert(url, Arc::clone(live));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::acme::ObjectState;

    #[test]
    fn an_order_is_found_by_each_of_its_urls() {
        let orders = Orders::new(HashKey::new([1; 16]));
        let own = orders.hash("https://ca/order/1");
        let live = Arc::new(LiveOrder::new(own, Some(1), 2, None));
        let order = Order {
            state: ObjectState::Open,
            expires: None,
            urls: vec!["https://ca/authz/1?x=y".to_owned()],
            certificate: None,
            error_type: None,
            replaces: None,
        };
        orders.keep(&live, &order);
        for url in ["/order/1", "https://other/order/1", "/authz/1?x=y"] {
            assert!(
                orders.find(url).is_some_and(|found| found.names == 2),
                "{url}"
            );
        }
        assert!(orders.find("/order/2").is_none());
    }

    #[test]
    fn what_comes_of_an_order_is_news_once() {
        let live = LiveOrder::new(1, None, 2, None);
        assert!(live.fail() && !live.fail());
        assert_eq!(live.issued_at(), None);
        let now = Timestamp::from_unix(7);
        assert!(live.succeed(now) && !live.succeed(now + 1));
        assert_eq!(live.issued_at(), Some(now));
    }
}
