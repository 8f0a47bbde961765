//! The page that Prometheus reads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tiny_http::{Header, Method, Request, Response, Server};

const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A thread that answers `GET /metrics`, until it is dropped.
#[derive(Debug)]
pub struct MetricsPage {
    address: SocketAddr,
    server: Handle,
    thread: Option<JoinHandle<()>>,
}

struct Handle(Arc<Server>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.server_addr())
    }
}

impl MetricsPage {
    /// Serves what `render` returns at the time.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn serve(
        address: SocketAddr,
        render: impl Fn() -> Result<String, std::fmt::Error> + Send + 'static,
    ) -> io::Result<Self> {
        let server = Arc::new(Server::http(address).map_err(io::Error::other)?);
        let address = server.server_addr().to_ip().unwrap_or(address);
        let serving = Arc::clone(&server);
        let thread = std::thread::Builder::new().name("store.metrics".into()).spawn(move || {
            for request in serving.incoming_requests() {
                // Who has gone meanwhile misses nothing.
                let _ = answer(request, &render);
            }
        })?;
        Ok(Self { address, server: Handle(server), thread: Some(thread) })
    }

    /// Where it is, with the port that the operating system chose if it was to choose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsPage {
    fn drop(&mut self) {
        self.server.0.unblock();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread of the metrics has panicked");
        }
    }
}

fn answer(
    request: Request,
    render: impl Fn() -> Result<String, std::fmt::Error>,
) -> io::Result<()> {
    let path = request.url().split('?').next().unwrap_or_default();
    if path != "/metrics" {
        return request
            .respond(Response::from_string("There is only /metrics\n").with_status_code(404));
    }
    if !matches!(request.method(), Method::Get | Method::Head) {
        return request
            .respond(Response::from_string("It can only be read\n").with_status_code(405));
    }
    match render() {
        Ok(text) => {
            let kind = Header::from_bytes("Content-Type", TYPE)
                .map_err(|()| io::Error::other("a header that is none"))?;
            request.respond(Response::from_string(text).with_header(kind))
        }
        Err(error) => {
            log::error!("the metrics cannot be written: {error}");
            request
                .respond(Response::from_string("The store's log says why\n").with_status_code(500))
        }
    }
}
