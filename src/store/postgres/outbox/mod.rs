//! The outbox: the changes of each transaction, for all readers of the feed. A transaction appends
//! them itself, after the rows. While it does, it holds the locks of the rows it changed, so two
//! changes of one row are in the feed in the order in which they were committed.

use super::PostgresStore;
use super::session::Transaction;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::store::StoreError;

pub(super) mod body;
pub(super) mod reading;

/// Certificates in one row: 90 KB or so, so that a reader's page of many rows stays small.
const CERTIFICATES_A_ROW: usize = 1_000;
/// CertIDs told by one row, and records of polls: as much.
const OTHERS_A_ROW: usize = 2_500;

/// The kinds of rows in the outbox. The names are stored, so they must not change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A batch of observations counts from now on.
    Batch,
    /// Certificates are new, or changed: all of them.
    Certificates,
    /// Observations were taken back.
    Forgotten,
    /// An incident is new, or changed.
    Incident,
    /// Records of polls.
    Polls,
    /// Certificates were removed: their CertIDs.
    Removed,
    /// Certificates are new, or changed: their CertIDs. Written by a trigger, for processes of the version
    /// that had no outbox.
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

    /// `None`: one that a later version writes.
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
    /// These certificates are new, or changed.
    ///
    /// # Errors
    /// [`StoreError::Query`] where one cannot be packed.
    pub(super) fn certificates(&mut self, certificates: &[&Certificate]) -> Result<(), StoreError> {
        for chunk in certificates.chunks(CERTIFICATES_A_ROW) {
            let body = body::of_certificates(chunk)
                .map_err(|error| StoreError::from_driver("outbox_insert", error))?;
            self.add(Kind::Certificates, None, Some(body));
        }
        Ok(())
    }

    /// These certificates are gone.
    pub(super) fn removed(&mut self, ids: &[CertId]) {
        for chunk in ids.chunks(OTHERS_A_ROW) {
            self.add(Kind::Removed, None, Some(body::of_ids(chunk)));
        }
    }

    /// These records of polls are new.
    pub(super) fn polls(&mut self, records: &[(u128, u64)]) {
        for chunk in records.chunks(OTHERS_A_ROW) {
            self.add(Kind::Polls, None, Some(body::of_polls(chunk)));
        }
    }

    /// The incident or batch of this number is to be read.
    pub(super) fn refer(&mut self, kind: Kind, number: i64) {
        self.add(kind, Some(number), None);
    }

    /// Observations were taken back.
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
    /// Appends to the outbox what the transaction has changed.
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

    /// Drops changes that are a day old. No reader is that far behind; one that is finds that its
    /// place is lost. Dropping starts at the beginning, so that the rest has no gap.
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
