//! Limits the number of connections for each client address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;

/// The clients that count as one: an address, or an IPv6 /64, which one host usually has to itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Neighbour(IpAddr);

impl Neighbour {
    /// The neighbour of an address.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// The limit of connections for each neighbour, and its exceptions. It may change while connections
/// are open.
#[derive(Debug)]
pub struct Neighbourhood(ArcSwap<Rule>);

#[derive(Debug)]
struct Rule {
    per_address: u32,
    trusted_proxies: Vec<IpNet>,
}

impl Default for Neighbourhood {
    /// No limit.
    fn default() -> Self {
        Self::new(u32::MAX, Vec::new())
    }
}

impl Neighbourhood {
    /// This limit, except for these addresses.
    #[must_use]
    pub fn new(per_address: u32, trusted_proxies: Vec<IpNet>) -> Self {
        Self(ArcSwap::from_pointee(Rule {
            per_address,
            trusted_proxies,
        }))
    }

    /// Replaces the limit for new connections.
    pub fn renew(&self, per_address: u32, trusted_proxies: Vec<IpNet>) {
        self.0.store(Arc::new(Rule {
            per_address,
            trusted_proxies,
        }));
    }

    /// The neighbour that a connection from this address counts for, and its limit on a listener
    /// for `connections`: at most half of them, so that nobody takes all. `None` if it is not
    /// limited. Local addresses and trusted proxies are not, because a proxy carries many clients.
    #[must_use]
    pub fn limit(&self, address: IpAddr, connections: usize) -> Option<(Neighbour, usize)> {
        let address = address.to_canonical();
        let rule = self.0.load();
        let exempt = address.is_loopback()
            || rule
                .trusted_proxies
                .iter()
                .any(|network| network.contains(&address));
        let most = usize::try_from(rule.per_address).unwrap_or(usize::MAX);
        (!exempt).then(|| (Neighbour::at(address), most.min((connections / 2).max(1))))
    }
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "it counts by being there")] Arc<()>);

/// The places in use.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<Neighbour, Arc<()>>);

impl Places {
    /// Takes a place for a neighbour with this limit; `None` if the limit is reached.
    pub(super) fn take(&mut self, neighbour: Neighbour, most: usize) -> Option<Place> {
        let counted = self.0.entry(neighbour).or_default();
        // One of the references is our own.
        (Arc::strong_count(counted) <= most).then(|| Place(Arc::clone(counted)))
    }

    /// Removes neighbours without a place.
    pub(super) fn tidy(&mut self) {
        self.0.retain(|_, counted| Arc::strong_count(counted) > 1);
    }

    /// The number of neighbours tracked.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_of_ipv6_counts_for_its_64() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            let equal = Neighbour::at(ip(one)) == Neighbour::at(ip(other));
            assert_eq!(equal, same, "{one} {other}");
        }
    }

    #[test]
    fn this_machine_and_trusted_proxies_are_not_limited() {
        let trusted = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"];
        let trusted = trusted.map(|network| network.parse().unwrap()).to_vec();
        let neighbourhood = Neighbourhood::new(3, trusted);
        for (address, limited) in [
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("10.1.2.3", false),
            ("::ffff:10.1.2.3", false),
            ("11.1.2.3", true),
            ("192.0.2.7", false),
            ("192.0.2.8", true),
            ("2001:db8:1::1", false),
            ("2001:db9::1", true),
        ] {
            let limit = neighbourhood.limit(ip(address), 100);
            assert_eq!(
                limit.map(|(_, most)| most),
                limited.then_some(3),
                "{address}"
            );
        }
        // No neighbour takes more than half of a small listener.
        assert_eq!(neighbourhood.limit(ip("192.0.2.8"), 4).unwrap().1, 2);
        assert_eq!(neighbourhood.limit(ip("192.0.2.8"), 1).unwrap().1, 1);
        neighbourhood.renew(1, Vec::new());
        assert_eq!(neighbourhood.limit(ip("10.1.2.3"), 100).unwrap().1, 1);
    }

    #[test]
    fn places_come_back_when_connections_end() {
        let mut places = Places::default();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| Neighbour::at(ip(text)));
        let first = places.take(one, 2);
        let second = places.take(one, 2);
        assert!(first.is_some() && second.is_some());
        assert!(places.take(one, 2).is_none());
        let other_place = places.take(other, 2);
        assert!(other_place.is_some());
        drop(first);
        places.tidy();
        assert!(places.take(one, 2).is_some());
        drop((second, other_place));
        places.tidy();
        assert_eq!(places.len(), 0);
    }
}
