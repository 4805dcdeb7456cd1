//! The server: bind, serve, drain.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer, dev};
use anyhow::{Context, Result};
use config::Configuration;

use crate::body::CHUNK_BYTES;
use crate::door::Door;
use crate::handle::handle;

/// How much of an answer a connection gathers before it writes to the socket. No more than one chunk of a document:
/// a larger buffer is given back after each write and has to be asked for again, page by page.
const WRITE_BUFFER_BYTES: usize = CHUNK_BYTES;

/// For how long a connection without a request is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// For how long an upload that was refused is still read and thrown away, so that a client that writes before it
/// reads gets to see the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Binds the address of the configuration; returns where that is, port 0 resolved.
pub(crate) fn bind(configuration: &Configuration) -> Result<(TcpListener, SocketAddr)> {
    let listen = configuration.proxy.listen;
    let bound = TcpListener::bind(listen).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = bound.with_context(|| format!("cannot listen on {listen} (proxy.listen)"))?;
    Ok((listener, address))
}

/// Serves from now on.
pub(crate) fn serve(
    configuration: &Configuration,
    listener: TcpListener,
    door: Data<Door>,
) -> Result<dev::Server> {
    let proxy = &configuration.proxy;
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = proxy.workers.unwrap_or_else(processors);
    let idle_max = proxy.limits.body_timeout;
    let drain_seconds = proxy.limits.drain.as_millis().div_ceil(1000);
    let server =
        HttpServer::new(move || App::new().app_data(Data::clone(&door)).default_service(web::to(handle)))
            .workers(workers)
            // The server counts each worker's connections.
            .max_connections(proxy.limits.connections.div_ceil(workers))
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(proxy.limits.header_timeout)
            .client_disconnect_timeout(LINGER)
            .h1_write_buffer_size(WRITE_BUFFER_BYTES)
            .tcp_nodelay(true)
            .on_connect(move |connection, _: &mut Extensions| limit_idle_time(connection, idle_max))
            .shutdown_timeout(u64::try_from(drain_seconds).unwrap_or(u64::MAX))
            .disable_signals()
            .listen(listener)
            .context("cannot serve")?;
    Ok(server.run())
}

/// Has the system close a connection whose client takes nothing of what is sent for `idle_max`. Nothing above the
/// socket can tell: while the connection's buffer is full, nobody is asked for more.
fn limit_idle_time(connection: &dyn Any, idle_max: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(idle_max)) {
        tracing::debug!(%error, "slow readers of a connection will not be cut off");
    }
}
