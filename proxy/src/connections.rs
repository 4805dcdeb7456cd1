//! What is done about connections that stand still.
//!
//! The server times a connection's first request and the pause between two requests. Two things it cannot see:
//! a client that takes nothing of what is sent, and one that begins a second request and never ends it.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream as ServedStream;
use socket2::SockRef;

/// How often connections are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A connection, as its requests see it.
#[derive(Debug)]
pub(crate) struct Connection {
    /// A second handle, to close the connection with; the server has the first.
    socket: TcpStream,
    /// How many requests are under way, and since when there are so many.
    state: Mutex<(usize, Instant)>,
}

/// All open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<Vec<Weak<Connection>>>,
    /// For how long a client may take nothing of what is sent.
    unread_max: Duration,
    /// For how long a connection may be without a request.
    unused_max: Duration,
}

/// Held as long as a request is under way.
#[derive(Debug)]
pub(crate) struct InUse(Arc<Connection>);

impl Connection {
    /// A request begins.
    pub(crate) fn in_use(self: &Arc<Self>) -> InUse {
        self.count(|requests| requests.saturating_add(1));
        InUse(Arc::clone(self))
    }

    fn count(&self, change: impl FnOnce(usize) -> usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (change(state.0), Instant::now());
    }

    fn is_unused_for(&self, time: Duration) -> bool {
        let (requests, since) = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        requests == 0 && since.elapsed() > time
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.count(|requests| requests.saturating_sub(1));
    }
}

impl Connections {
    pub(crate) fn new(unread_max: Duration, unused_max: Duration) -> Self {
        Self { open: Mutex::default(), unread_max, unused_max }
    }

    /// A connection has been opened; its requests find it in `data`.
    pub(crate) fn opened(&self, connection: &dyn Any, data: &mut Extensions) {
        let Some(stream) = connection.downcast_ref::<ServedStream>() else { return };
        let socket = SockRef::from(stream);
        // The system closes it if nothing is taken: while the connection's buffer is full, nobody here is asked.
        if let Err(error) = socket.set_tcp_user_timeout(Some(self.unread_max)) {
            tracing::warn!(%error, "a client that does not read will not be cut off");
        }
        match socket.try_clone() {
            Ok(socket) => {
                let state = Mutex::new((0, Instant::now()));
                let connection = Arc::new(Connection { socket: socket.into(), state });
                self.open.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&connection));
                data.insert(connection);
            }
            Err(error) => tracing::warn!(%error, "a client that ends no request will not be cut off"),
        }
    }

    /// Closes connections that stand still, again and again.
    pub(crate) async fn keep_moving(&self) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            self.look();
        }
    }

    fn look(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|connection| {
            let Some(connection) = connection.upgrade() else { return false };
            if connection.is_unused_for(self.unused_max) {
                // It may be closed already.
                let _ = connection.socket.shutdown(Shutdown::Both);
                return false;
            }
            true
        });
    }
}
