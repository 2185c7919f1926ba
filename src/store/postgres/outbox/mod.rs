//! The outbox: the changes of each transaction, for all readers of the feed. A transaction appends its
//! changes itself, after changing the rows. At that time it holds the locks of the changed rows, so two
//! changes of one row are in the feed in the order in which they were committed.

use super::PostgresStore;
use super::session::Transaction;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::store::StoreError;

pub(super) mod body;
pub(super) mod reading;

/// How many certificates are in one row: about 90 KB, so that a reader's page of many rows stays small.
const CERTIFICATES_A_ROW: usize = 1_000;
/// How many CertIDs or records of polls are in one row: the same size.
const OTHERS_A_ROW: usize = 2_500;

/// The kinds of rows in the outbox. The names are stored, so they must not change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A batch of observations now counts.
    Batch,
    /// Certificates are new or have changed; the whole certificates.
    Certificates,
    /// Observations were removed.
    Forgotten,
    /// An incident is new or has changed.
    Incident,
    /// Records of polls have changed.
    Polls,
    /// Certificates were removed; their CertIDs.
    Removed,
    /// Certificates are new or have changed; their CertIDs. Written by a trigger, for processes of the
    /// version without an outbox.
    Reread,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Batch,
        Self::Certificates,
        Self::Forgotten,
        Self::Incident,
        Self::Polls,
        Self::Removed,
        Self::Reread,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Certificates => "certificates",
            Self::Forgotten => "forgotten",
            Self::Incident => "incident",
            Self::Polls => "polls",
            Self::Removed => "removed",
            Self::Reread => "reread",
        }
    }

    /// `None` for a kind of a later version.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a transaction has changed so far, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    kinds: Vec<&'static str>,
    references: Vec<Option<i64>>,
    bodies: Vec<Option<Vec<u8>>>,
}

impl Outbox {
    /// Adds new or changed certificates.
    ///
    /// # Errors
    /// [`StoreError::Query`] if one cannot be packed.
    pub(super) fn certificates(&mut self, certificates: &[&Certificate]) -> Result<(), StoreError> {
        for chunk in certificates.chunks(CERTIFICATES_A_ROW) {
            let body = body::of_certificates(chunk)
                .map_err(|error| StoreError::from_driver("outbox_insert", error))?;
            self.add(Kind::Certificates, None, Some(body));
        }
        Ok(())
    }

    /// Adds removed certificates.
    pub(super) fn removed(&mut self, ids: &[CertId]) {
        for chunk in ids.chunks(OTHERS_A_ROW) {
            self.add(Kind::Removed, None, Some(body::of_ids(chunk)));
        }
    }

    /// Adds changed records of polls.
    pub(super) fn polls(&mut self, records: &[(u128, u64)]) {
        for chunk in records.chunks(OTHERS_A_ROW) {
            self.add(Kind::Polls, None, Some(body::of_polls(chunk)));
        }
    }

    /// Adds a reference to an incident or batch, which readers then read.
    pub(super) fn refer(&mut self, kind: Kind, number: i64) {
        self.add(kind, Some(number), None);
    }

    /// Adds that observations were removed.
    pub(super) fn forgotten(&mut self) {
        self.add(Kind::Forgotten, None, None);
    }

    fn add(&mut self, kind: Kind, reference: Option<i64>, body: Option<Vec<u8>>) {
        self.kinds.push(kind.name());
        self.references.push(reference);
        self.bodies.push(body);
    }
}

impl PostgresStore {
    /// Appends what the transaction has changed to the outbox.
    pub(super) async fn append(
        &self,
        connection: &mut Transaction,
        outbox: &Outbox,
    ) -> Result<(), StoreError> {
        if outbox.kinds.is_empty() {
            return Ok(());
        }
        let insert = sqlx::query(
            "INSERT INTO outbox (kind, reference, body)
             SELECT kind, reference, body FROM unnest($1::text[], $2::bigint[], $3::bytea[])
                 WITH ORDINALITY AS changes (kind, reference, body, rank)
             ORDER BY rank",
        )
        .bind(&outbox.kinds)
        .bind(&outbox.references)
        .bind(&outbox.bodies);
        self.run_in(connection, "outbox_insert", insert)
            .await
            .map(drop)
    }

    /// Removes changes that are older than a day. No reader is that far behind; one that is notices
    /// that its position is lost. The oldest are removed first, so that there are no gaps.
    pub(super) async fn trim_outbox(&self) -> Result<(), StoreError> {
        let delete = sqlx::query(
            "DELETE FROM outbox WHERE position < coalesce(
                 (SELECT min(position) FROM outbox
                  WHERE position IS NOT NULL AND written_at >= now() - interval '1 day'),
                 (SELECT last + 1 FROM feed)
             )",
        );
        self.sweep("sweep_outbox", delete).await
    }
}
