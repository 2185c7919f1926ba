//! The current publication in the form in which it is sent: compressed, with its headers.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use tokio::sync::Mutex;

use crate::domain::publication::best_time::Ranking;
use crate::domain::publication::documents::RANKING;
use crate::domain::publication::page::{INDEX, policy_of};
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::http::tally::Tallies;
use crate::publish::plan::{Cache, Serving, plan, serving};
use crate::store::Publication;
use crate::wire::coding::Forms;
use crate::wire::conditional::{http_date, is_unmodified};
use crate::wire::problem::Problem;

/// An immutable copy, which is valid for a year whatever has been published since. Old ones are
/// rarely requested, so they are read from the store each time and sent uncompressed.
pub(in crate::http) async fn earlier(
    engine: &Engine,
    name: &str,
) -> Result<Option<Document>, Problem> {
    let Some(serving) = serving(name).filter(|serving| serving.cache == Cache::Immutable) else {
        return Ok(None);
    };
    let bytes = engine
        .earlier_document(name)
        .await
        .map_err(|_| Problem::busy())?;
    Ok(bytes.map(|bytes| Document {
        forms: Forms::plain(Bytes::from_owner(bytes)),
        serving,
        modified: None,
        policy: None,
        tallies: Tallies::of(route(name)),
    }))
}

/// The answer with a document. The request's header map is reused for the answer.
pub(in crate::http) fn answer(document: &Document, request: HeaderMap) -> Response<Bytes> {
    let form = document.forms.wanted(&request);
    let made_at = document.modified.as_ref().map(|(made_at, _)| *made_at);
    let unmodified = is_unmodified(&request, &form.etag, made_at);
    let mut headers = request;
    headers.clear();
    let control = document.serving.cache.control();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    headers.insert(header::ETAG, form.etag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    if let Some((_, date)) = &document.modified {
        headers.insert(header::LAST_MODIFIED, date.clone());
    }
    if let Some(policy) = &document.policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        let referrer = HeaderValue::from_static("no-referrer");
        headers.insert(header::REFERRER_POLICY, referrer);
        let sniffing = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, sniffing);
    }
    let mut response = Response::new(Bytes::new());
    if unmodified {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let content_type = document.serving.content_type;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(coding) = form.content_encoding() {
            headers.insert(header::CONTENT_ENCODING, coding);
        }
        *response.body_mut() = form.bytes.clone();
    }
    *response.headers_mut() = headers;
    response
}

/// The publication being served, with what is prepared once for it.
#[derive(Debug, Default)]
pub(in crate::http) struct Documents {
    served: ArcSwapOption<Served>,
    making: Mutex<()>,
}

/// A prepared publication.
#[derive(Debug)]
pub(in crate::http) struct Served {
    publication: Arc<Publication>,
    pub(in crate::http) by_name: HashMap<String, Document>,
    /// Its rankings, without the copies, parsed for drawing times.
    rankings: HashMap<String, Ranking>,
}

/// A prepared document.
#[derive(Debug)]
pub(in crate::http) struct Document {
    forms: Forms,
    serving: Serving,
    /// When it was made, also as an HTTP date.
    modified: Option<(Timestamp, HeaderValue)>,
    /// The Content Security Policy of a page: its own, because a replica of another version may
    /// have made it, plus what only a header can express.
    policy: Option<HeaderValue>,
    pub(in crate::http) tallies: Tallies,
}

impl Documents {
    /// The engine's current publication, if it has been prepared.
    pub(in crate::http) fn at_hand(&self, engine: &Engine) -> Option<Arc<Served>> {
        let publication = engine.publication()?;
        self.served
            .load_full()
            .filter(|served| Arc::ptr_eq(&served.publication, &publication))
    }

    /// The engine's current publication. The first caller prepares it on another thread, which
    /// takes about ten milliseconds; other callers wait for it.
    pub(in crate::http) async fn current(
        &self,
        engine: &Engine,
    ) -> Result<Option<Arc<Served>>, Problem> {
        let _turn = match self.at_hand(engine) {
            Some(served) => return Ok(Some(served)),
            None => self.making.lock().await,
        };
        if let Some(served) = self.at_hand(engine) {
            return Ok(Some(served));
        }
        let Some(publication) = engine.publication() else {
            return Ok(None);
        };
        let making = move || Arc::new(Served::new(publication));
        let made = engine.background().spawn_blocking(making).await;
        // The panic has been logged where it happened.
        let served = made.map_err(|_| Problem::internal())?;
        self.served.store(Some(Arc::clone(&served)));
        Ok(Some(served))
    }
}

impl Served {
    fn new(publication: Arc<Publication>) -> Self {
        let made_at = publication.made_at;
        let rankings = publication
            .documents
            .iter()
            .filter(|(path, _)| path.ends_with(RANKING) && !path.starts_with("r/"))
            // Our own documents can be parsed; if one cannot, `/readyz` reports it.
            .filter_map(|(path, bytes)| Some((path.clone(), Ranking::parse(bytes).ok()?)))
            .collect();
        let by_name = plan(&publication.documents)
            .into_iter()
            .map(|file| {
                let document = Document {
                    policy: policy_of(&file.bytes).and_then(policy),
                    forms: Forms::compressed(Bytes::from_owner(file.bytes)),
                    serving: file.serving,
                    modified: Some((made_at, http_date(made_at))),
                    tallies: Tallies::of(route(&file.path)),
                };
                let path = file.path.strip_suffix(INDEX).map(str::to_owned);
                (path.unwrap_or(file.path), document)
            })
            .collect();
        Self {
            publication,
            by_name,
            rankings,
        }
    }

    /// A CA's ranking, or the one at `/ranking.json`.
    pub(in crate::http) fn ranking(&self, ca: Option<&str>) -> Option<&Ranking> {
        match ca {
            Some(ca) => self.rankings.get(&format!("ca/{ca}/{RANKING}")),
            None => self.rankings.get(RANKING),
        }
    }

    /// The document at a path.
    pub(in crate::http) fn at(&self, path: &str) -> Option<&Document> {
        self.by_name.get(path.strip_prefix('/')?)
    }
}

fn policy(of_page: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{of_page}; frame-ancestors 'none'")).ok()
}

/// The route of a document as named in metrics.
fn route(name: &str) -> &'static str {
    if name == INDEX {
        "/"
    } else if name.ends_with(INDEX) {
        "/ca/{ca}/"
    } else if name == RANKING {
        "/ranking.json"
    } else if name.starts_with("ca/") {
        "/ca/{ca}/ranking.json"
    } else if name.starts_with("r/") {
        "/r/{sha256}/ranking.json"
    } else {
        "/schema/ranking-1.json"
    }
}
