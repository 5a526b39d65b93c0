//! Who has come in and who is still there, so that a test can tell that nothing more is under way.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a connection of a process that has ended may last; far longer than the machine can need.
const PATIENCE: Duration = Duration::from_secs(60);

/// The listener, which writes down who comes and who goes.
pub struct Doors {
    pub listener: tokio::net::TcpListener,
    pub visits: Arc<Visits>,
}

/// The visits so far.
#[derive(Default)]
pub struct Visits {
    book: Mutex<Book>,
    changed: Condvar,
}

#[derive(Default)]
struct Book {
    came: BTreeSet<SocketAddr>,
    here: usize,
}

/// A connection, which is written off when it is dropped.
pub struct Visitor {
    stream: tokio::net::TcpStream,
    visits: Arc<Visits>,
}

impl Visits {
    /// Waits until every connection that was made to `server` before this call has been served to its end.
    ///
    /// Only for when nobody holds one open: connections are taken in the order in which they were made, so when this one's
    /// turn has come, the others have been taken, and then they only have to end.
    pub fn drain(&self, server: &str) {
        let own = TcpStream::connect(server).expect("the server listens");
        let address = own.local_addr().expect("an address");
        self.wait(|book| book.came.contains(&address));
        drop(own);
        self.wait(|book| book.here == 0);
    }

    fn wait(&self, is_so: impl Fn(&Book) -> bool) {
        let waited = self.changed.wait_timeout_while(self.book(), PATIENCE, |book| !is_so(book));
        let (book, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(book);
        assert!(!timeout.timed_out(), "a connection to the fake GitHub does not end");
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Doors {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let mut book = self.visits.book();
        book.came.insert(address);
        book.here += 1;
        drop(book);
        self.visits.changed.notify_all();
        (Visitor { stream, visits: Arc::clone(&self.visits) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.visits.book().here -= 1;
        self.visits.changed.notify_all();
    }
}

impl AsyncRead for Visitor {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
