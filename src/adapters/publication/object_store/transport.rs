//! The crate's requests through our own client: one TLS set-up, no redirects, a limit on each silence and on each answer.

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};

/// How much of an answer that is no file is read, in bytes. A page of a list has a thousand names.
const MOST_ANSWER: usize = 16 * 1024 * 1024;

/// Our client.
#[derive(Debug, Clone)]
pub(super) struct Transport(pub(super) reqwest::Client);

impl HttpConnector for Transport {
    /// The options of the crate's own client do not matter to ours.
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string().parse::<reqwest::Url>();
        let url = url.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let is_file = parts.method == http::Method::GET && !is_list(parts.uri.query());
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        let answer = self.0.execute(request).await.map_err(fault)?;
        let most = if is_file && answer.status().is_success() { usize::MAX } else { MOST_ANSWER };
        let (parts, body) = http::Response::<reqwest::Body>::from(answer).into_parts();
        let body = Limited::new(body, most).map_err(|error| match error.downcast::<reqwest::Error>() {
            Ok(error) => fault(*error),
            Err(other) => HttpError::new_boxed(HttpErrorKind::Decode, other),
        });
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// Whether a GET with this query asks for names: the file's own address may have a query too, where that opens it.
fn is_list(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.contains("list-type=") || query.contains("comp=list"))
}

/// What became of a request, without its address: that may hold what opens the bucket.
fn fault(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_request() || error.is_body() || error.is_decode() {
        // It may have arrived, so it is repeated only where that does no harm.
        HttpErrorKind::Interrupted
    } else {
        HttpErrorKind::Unknown
    };
    HttpError::new(kind, error.without_url())
}
