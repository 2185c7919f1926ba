//! The API description at `/openapi.yaml`, which is embedded in the binary.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::wire::coding::Forms;
use crate::wire::conditional::is_unmodified;

/// An embedded file.
struct Asset {
    content_type: HeaderValue,
    forms: Forms,
}

impl Asset {
    fn new(content_type: &'static str, text: &'static str) -> Self {
        Self {
            content_type: HeaderValue::from_static(content_type),
            forms: Forms::compressed(Bytes::from_static(text.as_bytes())),
        }
    }
}

/// The media type is from RFC 9512.
static OPENAPI: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("application/yaml", include_str!("../../../openapi.yaml")));

/// `GET /openapi.yaml`.
pub(in crate::http) async fn openapi(request: HeaderMap) -> Response {
    let mut response = answer(&OPENAPI, &request);
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

/// It changes only with the binary. Caches revalidate each time and usually get a 304.
fn answer(asset: &Asset, request: &HeaderMap) -> Response {
    let form = asset.forms.wanted(request);
    let caching = [
        (header::ETAG, form.etag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
    ];
    if is_unmodified(request, &form.etag, None) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, asset.content_type.clone())];
    let coding: HeaderMap = form
        .content_encoding()
        .map(|coding| (header::CONTENT_ENCODING, coding))
        .into_iter()
        .collect();
    (caching, content_type, coding, form.bytes.clone()).into_response()
}
