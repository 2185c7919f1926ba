//! The windows of a cohort.

use super::density::Density;
use super::scenario::ClientKind;
use crate::domain::time::Span;

/// The windows of a cohort, each with its share of the cohort; the shares sum to 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Given(pub(super) Vec<(Span, f64)>);

impl Given {
    /// One window for the whole cohort.
    pub(super) fn one(window: Span) -> Self {
        Self(vec![(window, 1.0)])
    }

    /// The draws of clients that draw uniformly from their windows.
    pub(super) fn drawn(&self) -> Density {
        Density::of(self.0.iter().copied())
    }

    /// The instants that clients of a kind take from their windows, before they wake for them.
    pub(super) fn taken(&self, kind: ClientKind) -> Density {
        let moved = |change: fn(Span) -> Span| {
            let windows = self.0.iter();
            Density::of(windows.map(move |(window, share)| (change(*window), *share)))
        };
        match kind {
            ClientKind::StartOfWindow => moved(|window| Span {
                to: window.from + 1,
                ..window
            }),
            ClientKind::ModMd => moved(|window| {
                let half = window.seconds() / 2;
                Span {
                    from: window.from - half,
                    to: window.to - half,
                }
            }),
            ClientKind::NoAri
            | ClientKind::Exact
            | ClientKind::Ticking
            | ClientKind::CronRedraw
            | ClientKind::CronNextTick
            | ClientKind::NeverSucceeds => self.drawn(),
        }
    }
}
